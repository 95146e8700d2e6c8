# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# guestmem_add_test(NAME <name> SOURCES <file>... [LIBS <target>...] [LABELS <label>...]
#                   [ARGS <argument>...] [TIMEOUT <seconds>])
#
# One cmocka program that ctest runs once. In an instrumented build the test's name starts with the
# preset's name, so that several builds' tests stand side by side in one ctest run (`make check`).

set(GUESTMEM_TEST_PREFIX "" CACHE STRING "What the names of this build's tests start with")

function(guestmem_add_test)
    cmake_parse_arguments(PARSE_ARGV 0 ARG "" "NAME;TIMEOUT" "SOURCES;LIBS;LABELS;ARGS")
    if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_NAME OR NOT ARG_SOURCES)
        message(FATAL_ERROR "guestmem_add_test: NAME and SOURCES are needed; "
                            "unknown: '${ARG_UNPARSED_ARGUMENTS}'")
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    add_executable(${ARG_NAME} ${ARG_SOURCES})
    target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LIBS} Cmocka::cmocka)
    add_test(NAME ${GUESTMEM_TEST_PREFIX}${ARG_NAME} COMMAND ${ARG_NAME} ${ARG_ARGS})
    guestmem_test_defaults(${GUESTMEM_TEST_PREFIX}${ARG_NAME} ${ARG_TIMEOUT} ${ARG_LABELS})
endfunction()

# guestmem_add_shared_test(<name> <timeout> [<label>...]): the same program once more, with every VM
# shared between threads from the start (guestmem/threads.h).
function(guestmem_add_shared_test name timeout)
    set(test ${GUESTMEM_TEST_PREFIX}${name}_shared)
    add_test(NAME ${test} COMMAND ${name})
    guestmem_test_defaults(${test} ${timeout} ${ARGN})
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT GUESTMEM_TEST_SHARED=1)
endfunction()

# guestmem_test_defaults(<test> <timeout> [<label>...]): also for tests that are not one program.
function(guestmem_test_defaults test timeout)
    set_tests_properties(${test} PROPERTIES
        TIMEOUT ${timeout}
        LABELS "${ARGN}"
        ENVIRONMENT "ASAN_OPTIONS=detect_leaks=1;UBSAN_OPTIONS=print_stacktrace=1")
endfunction()
