# Libraries from Debian; tools/packages.txt names the packages, ./run and ./test install them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(cairn_dependencies INTERFACE)
foreach(name openssl libsodium libsecp256k1 libisal jansson expat libzstd libarchive)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${name})
    target_link_libraries(cairn_dependencies INTERFACE PkgConfig::${name})
endforeach()

# No pkg-config files: GMP, http-parser, LMDB (static, so that the simulator can wrap its writes).
find_library(GMP_LIBRARY gmp REQUIRED)
find_library(HTTP_PARSER_LIBRARY http_parser REQUIRED)
find_library(LMDB_LIBRARY liblmdb.a REQUIRED)
find_library(CMOCKA_LIBRARY cmocka REQUIRED)
target_link_libraries(cairn_dependencies INTERFACE ${GMP_LIBRARY} ${HTTP_PARSER_LIBRARY}
                      ${LMDB_LIBRARY} Threads::Threads)
