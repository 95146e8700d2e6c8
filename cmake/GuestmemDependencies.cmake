# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# What others provide, as imported targets: Unicorn::unicorn, Fdt::fdt, ZLIB::ZLIB, Cmocka::cmocka.
# A missing one stops the configuration here and names the Debian package that has it.

find_package(Threads REQUIRED)

# guestmem_import(<target> HEADER <file> LIBRARY <name> PACKAGE <debian package>)
function(guestmem_import target)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "HEADER;LIBRARY;PACKAGE" "")
    string(MAKE_C_IDENTIFIER "GUESTMEM_${ARG_LIBRARY}" id)
    find_path(${id}_INCLUDE_DIR ${ARG_HEADER})
    find_library(${id}_LIBRARY ${ARG_LIBRARY})
    mark_as_advanced(${id}_INCLUDE_DIR ${id}_LIBRARY)
    if(NOT ${id}_INCLUDE_DIR OR NOT ${id}_LIBRARY)
        message(FATAL_ERROR
            "${ARG_HEADER} or lib${ARG_LIBRARY} is missing (Debian package: ${ARG_PACKAGE})")
    endif()
    add_library(${target} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES
        IMPORTED_LOCATION "${${id}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${${id}_INCLUDE_DIR}")
endfunction()

guestmem_import(Unicorn::unicorn HEADER unicorn/unicorn.h LIBRARY unicorn PACKAGE libunicorn-dev)
guestmem_import(Fdt::fdt HEADER libfdt.h LIBRARY fdt PACKAGE libfdt-dev)
guestmem_import(ZLIB::ZLIB HEADER zlib.h LIBRARY z PACKAGE zlib1g-dev)
if(GUESTMEM_TESTS)
    guestmem_import(Cmocka::cmocka HEADER cmocka.h LIBRARY cmocka PACKAGE libcmocka-dev)
endif()
