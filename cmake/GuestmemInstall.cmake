# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Two packages, each with a pkg-config file and a CMake package that work wherever the prefix ends up:
#   guestmem       the library and its headers; stands alone
#   guestmem-host  Linux: environment, VM runtime, tool. Its stand-ins for seL4's headers are in a
#                  folder of their own, so that they never shadow a seL4 tree's.
# Either alone: cmake --install build --component guestmem

include(CMakePackageConfigHelpers)

set(GUESTMEM_PC_DIR "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH GUESTMEM_PC_TO_PREFIX "/${GUESTMEM_PC_DIR}" "/")

function(guestmem_install_package package)
    set(cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/${package}")
    set(generated "${PROJECT_BINARY_DIR}/package")
    configure_file("${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in" "${generated}/${package}.pc" @ONLY)
    configure_package_config_file(
        "${PROJECT_SOURCE_DIR}/cmake/${package}Config.cmake.in"
        "${generated}/${package}Config.cmake"
        INSTALL_DESTINATION "${cmake_dir}"
        PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
    write_basic_package_version_file("${generated}/${package}ConfigVersion.cmake"
        COMPATIBILITY SameMinorVersion)
    install(FILES "${generated}/${package}.pc"
        DESTINATION "${GUESTMEM_PC_DIR}" COMPONENT ${package})
    install(FILES "${generated}/${package}Config.cmake" "${generated}/${package}ConfigVersion.cmake"
        DESTINATION "${cmake_dir}" COMPONENT ${package})
endfunction()

install(TARGETS guestmem ARCHIVE COMPONENT guestmem)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT guestmem FILES_MATCHING PATTERN "*.h")
guestmem_install_package(guestmem)

install(TARGETS guestmem-host guestmem-host-env ARCHIVE COMPONENT guestmem-host)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/host/include/"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT guestmem-host FILES_MATCHING PATTERN "*.h")
guestmem_install_package(guestmem-host)
