# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# The build inside a seL4 tree, whose targets exist already: the library alone, with the tree's
# compiler, C library and headers. Nothing of host/ is on its include path. Where the tree has a VM
# library, its headers come before ours, so that library and VMM see one vm_t.

add_subdirectory(src)
target_compile_options(guestmem PRIVATE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror)

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
