# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Language, warnings and instrumentation for every target below.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
# The library itself is strict C11; host/, tests and tools need Linux interfaces, and ask for them
# with gnu11 (the default here) or with _GNU_SOURCE.
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG" CACHE STRING "Flags of a release build" FORCE)

# Log lines and assertions name files as the repository does, wherever it was built.
add_compile_options("-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
# What a thread knows of itself (src/reader.h) is read at every access to guest memory: in a position-
# independent archive that would be a call each.
add_compile_options(-ftls-model=initial-exec)

# Warnings, for all C code. Not among them, though offered:
#   -Wswitch-enum          `default:` means "all others" here; -Wswitch (in -Wall) sees forgotten ones
#   -Wbad-function-cast    the kernel's errors are an enumeration, which vka's functions give as int
#   -Wpedantic             seL4's enumerations have values above INT_MAX, which is GNU C
#   -Wpadded, -Winline, -Waggregate-return: say nothing of mistakes
set(guestmem_warnings
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations
    -Wold-style-definition -Wredundant-decls -Wnested-externs
    -Wconversion -Wsign-conversion -Wdouble-promotion -Wcast-qual -Wpointer-arith
    -Wwrite-strings -Wnull-dereference -Wimplicit-fallthrough
    -Wformat=2 -Wundef -Wvla -Wdate-time -Wunused-macros)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    list(APPEND guestmem_warnings -Wcast-align -Wcomma -Wloop-analysis
        -Wunreachable-code -Wunreachable-code-break -Wtautological-constant-in-range-compare)
else()
    list(APPEND guestmem_warnings -Wcast-align=strict -Wlogical-op -Wduplicated-cond
        -Wduplicated-branches -Warray-bounds=2 -Walloca -Wjump-misses-init -Wtrampolines
        -Wunused-const-variable=2)
endif()
if(GUESTMEM_SANITIZE)
    # The sanitizers' own branches are paths on which gcc then sees NULL.
    list(APPEND guestmem_warnings -Wno-null-dereference)
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:C>:${guestmem_warnings}>")

# Called by the folders of tests, benches and fuzz targets, where some warnings hit the wrong ones:
#   -Wcast-qual            the interface takes plain pointers to what is only read (touch callbacks),
#                          and tests look at memory through volatile ones
#   -Wnull-dereference     cmocka's assertions are no end of a function for the compiler
#   -Wsign-conversion      clang's, not gcc's: for clang an enumeration is unsigned, and tests compare
#                          the kernel's errors as ints in hundreds of places
function(guestmem_warn_as_in_tests)
    add_compile_options("$<$<COMPILE_LANGUAGE:C>:-Wno-cast-qual;-Wno-null-dereference>"
                        "$<$<C_COMPILER_ID:Clang>:-Wno-sign-conversion>")
endfunction()
if(GUESTMEM_WERROR)
    add_compile_options(-Werror)
endif()

if(GUESTMEM_SANITIZE)
    add_compile_options(-fsanitize=${GUESTMEM_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${GUESTMEM_SANITIZE})
endif()
if(GUESTMEM_FUZZ)
    # What libFuzzer watches: branches. Comparisons' operands would take half of the time.
    add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp)
endif()
if(GUESTMEM_COVERAGE)
    # Counted before anything is optimised, so the level doesn't matter; the counters aren't atomic,
    # which would take ten times as long: what two threads count at once may get lost, but not all of it.
    # What the host's files combine in other ways than && and || is measured by branches alone.
    add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)
    add_link_options(-fprofile-instr-generate)
endif()
