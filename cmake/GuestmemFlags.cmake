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
add_compile_options(
    -Wall -Wextra
    "$<$<COMPILE_LANGUAGE:C>:-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes>")
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
