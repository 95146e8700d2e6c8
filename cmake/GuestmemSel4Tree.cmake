# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# The build inside a seL4 tree, whose targets exist already: the library alone, with the tree's
# compiler, C library and headers. Nothing of host/ is on its include path. Where the tree has a VM
# library, its headers come before ours, so that library and VMM see one vm_t.

add_subdirectory(src)
# The tree's headers use GNU C, and compare signs; the host's build checks the library more strictly.
set_target_properties(guestmem PROPERTIES C_EXTENSIONS ON)
target_compile_options(guestmem PRIVATE -Wall -Wextra -Wno-sign-compare -Wno-unused-parameter -Werror)

set(guestmem_headers "${PROJECT_SOURCE_DIR}/include")
if(TARGET sel4vm)
    set(guestmem_headers
        "$<TARGET_PROPERTY:sel4vm,INTERFACE_INCLUDE_DIRECTORIES>" "${guestmem_headers}")
endif()
if(TARGET sel4vmmplatsupport)
    set(guestmem_headers
        "$<TARGET_PROPERTY:sel4vmmplatsupport,INTERFACE_INCLUDE_DIRECTORIES>" "${guestmem_headers}")
endif()
set_target_properties(guestmem PROPERTIES
    INCLUDE_DIRECTORIES "${guestmem_headers};${PROJECT_SOURCE_DIR}/src"
    INTERFACE_INCLUDE_DIRECTORIES "${guestmem_headers}")

foreach(library sel4 sel4vka sel4vspace sel4simple utils platsupport
                sel4_autoconf sel4vm_Config muslc)
    if(TARGET ${library})
        target_link_libraries(guestmem PUBLIC ${library})
    endif()
endforeach()

# Where the tree has libsel4vm, guestmem takes the place of its guest memory files. The library lists
# its sources by a glob, so they are filtered out of the target; the tree's files are left alone.
option(GUESTMEM_STAND_IN "Take the place of libsel4vm's guest memory files" ON)

function(guestmem_take_out target)
    get_target_property(sources ${target} SOURCES)
    foreach(file IN LISTS ARGN)
        list(FILTER sources EXCLUDE REGEX "/${file}$")
    endforeach()
    set_property(TARGET ${target} PROPERTY SOURCES ${sources})
    target_link_libraries(${target} guestmem)
endfunction()

if(GUESTMEM_STAND_IN AND TARGET sel4vm)
    guestmem_take_out(sel4vm
        src/guest_memory.c src/guest_ram.c src/guest_vspace.c src/guest_memory_helpers.c
        src/arch/arm/guest_memory_arch.c)
endif()
if(GUESTMEM_STAND_IN AND TARGET sel4vmmplatsupport)
    guestmem_take_out(sel4vmmplatsupport src/guest_memory_util.c)
endif()
