#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# What users get wrong, and what firmware does: a clear line, a status, and nothing left behind.
. "$(dirname "$0")/lib.sh"

# refused STATUS PATTERN ARGUMENT...: this status, one line that matches, no other output.
refused() {
    local status=$1 pattern=$2
    shift 2
    run "$status" "$@"
    says err "^guestmem-run: $pattern"
    holds "no output" test ! -s out
    holds "at most two lines of complaint" test "$(wc -l <err)" -le 2
}

# --- the command line
run 0 --help
says out '^Usage: guestmem-run'
says_not err .
run 0 --version
says out '^guestmem-run [0-9]'
run 2 --no-such-option
says err "Try 'guestmem-run --help'"
refused 2 "surplus: an argument" surplus
refused 2 "--ram 0: a guest needs" --ram 0
refused 2 "--ram 1000000: not a multiple of 4K" --ram 1000000
refused 2 "--ram 12Q: not a size" --ram 12Q
refused 2 "--ram -1: not a size" --ram=-1
refused 2 "--ram 99999999T: not a size" --ram 99999999T
refused 2 "--ram: [0-9]+ MiB is more than this machine can give" --ram 512G
refused 2 "--frame-size 3M: auto, 4K, 2M or 1G" --frame-size 3M
refused 2 "--populate later: eager or lazy" --populate later
for size in 3K 2048 96K 2G lots; do
    refused 2 "--around $size: a power of two from 4K to 1G" --populate lazy --around $size
done
refused 2 "--around: needs --populate lazy" --around 64K
refused 2 "--memory: needs --populate lazy" --memory 64M
refused 2 "--memory 20000001: not a size" --populate lazy --memory 20000001
refused 2 "--memory 8M: a guest needs 16 MiB at least" --populate lazy --memory 8M
refused 2 "--memory: [0-9]+ MiB is more than this machine can give" --populate lazy --memory 512G
refused 2 "--ram: [0-9]+ MiB is more than .*; --memory gives a lazy guest less" \
    --populate lazy --ram 512G
refused 2 "--timeout 0: not a number" --timeout 0
refused 2 "--timeout soon: not a number" --timeout soon
refused 2 "--script and --console" --script "$DEMO" --console
refused 2 "--console: .* must be a terminal" --console
only_files

# --- files
refused 2 "firmware nowhere.bin: No such file" --firmware nowhere.bin
: >empty
refused 2 "firmware empty: empty" --firmware empty
refused 2 "firmware \.: Is a directory" --firmware .
truncate -s 65M large
refused 2 "firmware large: larger than 64 MiB" --firmware large
rm large
refused 2 "script nowhere: No such file" --script nowhere
refused 2 "script empty: empty" --script empty
echo '# nothing to send' >comment
refused 2 "script comment: no line" --script comment
echo '@nonsense' >wrong
refused 2 "script wrong: line 1: not a directive" --script wrong
echo 'md {nonsense}' >wrong
refused 2 "script wrong: line 1: .*names an area" --script wrong
refused 2 "trace ./nowhere/trace: No such file" --trace ./nowhere/trace
rm comment wrong
only_files empty

# --- device trees
refused 2 "device tree nowhere.dtb: No such file" --dtb nowhere.dtb
refused 2 "device tree empty: empty" --dtb empty
echo 'this is not a device tree, whatever its name says' >tree
refused 2 "device tree tree: FDT_ERR_BADMAGIC" --dtb tree
"$TOOLS/make_tree" virt 128 whole
head -c 900 whole >tree
refused 2 "device tree tree: FDT_ERR_TRUNCATED" --dtb tree
refused 2 "device tree whole: node memory@40000000: memory of 128 MiB .* RAM is 64 MiB" \
    --dtb whole --ram 64M
"$TOOLS/make_tree" no-memory 128 tree
refused 2 "device tree tree: it names no memory" --dtb tree
"$TOOLS/make_tree" bad-reg 128 tree
refused 2 "device tree tree: node serial@9000000: its reg" --dtb tree
rm empty tree whole
only_files

# --- firmware that goes astray: where, and what is around
words d2bbd5a0 d61f0000 >jump # mov x0, 0xdead0000; br x0
run 1 --firmware jump
says err '^guestmem-run: the guest jumped to nowhere: pc 0xdead0000'
says err '0x00dead0000  <- nothing here'
says err '^  0x0040000000 .* ram '
words d2bbd5a0 f9400001 >read # ldr x1, [x0]
run 1 --firmware read
says err '^guestmem-run: the guest read nowhere: pc 0x4, address 0xdead0000, 8 bytes'
words d2bbd5a0 b9000001 >write # str w1, [x0]
run 1 --firmware write
says err '^guestmem-run: the guest wrote nowhere: pc 0x4, address 0xdead0000, 4 bytes'
words 00000000 >undefined
run 1 --firmware undefined
says err '^guestmem-run: .*pc 0x0'
rm jump read write undefined
only_files

# --- a script's checks can fail, and a guest can end too soon
cat >bad.script <<'SCRIPT'
mw.l 42000000 1 1
@read 42000000 2
crc32 42000000 4
@expect ==> 00000000
nosuchcommand
@write 1000 5
@write c0ffee0000 5
@trapped {shared} 1
poweroff
SCRIPT
run 1 --script bad.script
says out '  FAILED  read 42000000 2 .* 00000001$'
says out '  ok      crc32 42000000 4 '
says out '  FAILED  expect ==> 00000000'
says out '  FAILED  nosuchcommand +unknown command'
says out '  FAILED  write c0ffee0000 5 .*not memory of this VM'
says out '  FAILED  trapped 5000000 1 .*no write has trapped'
says out '5 of 7 checks failed'
printf 'poweroff\nmd 42000000\n' >bad.script
run 1 --script bad.script
says err 'the guest ended before the script: no answer to line 1: poweroff'
rm bad.script
only_files
finish
