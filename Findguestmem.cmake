# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# For a seL4 tree: put this folder into CMAKE_MODULE_PATH, then
#
#     find_package(guestmem REQUIRED)
#     guestmem_import_library()     # after sel4_libs_import_libraries(), and after
#                                   # sel4_projects_libs_import_libraries() where the tree has those
#
# and link the target `guestmem`; or `sel4vm`, in whose place it then stands. docs/sel4.md has the rest.

set(GUESTMEM_DIR "${CMAKE_CURRENT_LIST_DIR}" CACHE STRING "guestmem's folder")
mark_as_advanced(GUESTMEM_DIR)

macro(guestmem_import_library)
    add_subdirectory(${GUESTMEM_DIR} guestmem)
endmacro()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(guestmem DEFAULT_MSG GUESTMEM_DIR)
