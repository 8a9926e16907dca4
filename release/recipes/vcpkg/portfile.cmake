# vcpkg port: copy this folder to ports/cnnc of an overlay, then run vcpkg install cnnc --overlay-ports=ports.
vcpkg_download_distfile(ARCHIVE
    URLS "@URL@"
    FILENAME "cnnc-@VERSION@.tar.xz"
    SHA512 @SHA512@
)
vcpkg_extract_source_archive(SOURCE_PATH ARCHIVE "${ARCHIVE}")
vcpkg_configure_make(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS CLANG=clang MPICC=no
)
vcpkg_install_make()
vcpkg_fixup_pkgconfig()
vcpkg_copy_tools(TOOL_NAMES cnnc AUTO_CLEAN)
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSES/Apache-2.0.txt" "${SOURCE_PATH}/LICENSES/MIT-0.txt")
