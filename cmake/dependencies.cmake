# What rejoin needs, found first and downloaded only if it isn't there: an existing target, a package config,
# pkg-config, Debian's layout, and last FetchContent with the archive's SHA-256.

include(FetchContent)
include(${CMAKE_CURRENT_LIST_DIR}/rejoin-asio.cmake)

# rejoin_fetch(<name> <url> <sha256>): unpacks the archive without adding its build; sets <name>_SOURCE_DIR.
macro(rejoin_fetch name url sha256)
    if(NOT REJOIN_FETCH_DEPS)
        message(FATAL_ERROR "rejoin: ${name} was not found and REJOIN_FETCH_DEPS is off "
            "(Debian: apt-get install libasio-dev node-llhttp catch2 libcli11-dev nlohmann-json3-dev)")
    endif()
    message(STATUS "rejoin: fetching ${name}")
    if(POLICY CMP0135)
        cmake_policy(SET CMP0135 NEW)
    endif()
    # A SOURCE_SUBDIR without a CMakeLists.txt: unpack only, the targets are made here.
    FetchContent_Declare(${name} URL ${url} URL_HASH SHA256=${sha256} SOURCE_SUBDIR unpack-only)
    FetchContent_MakeAvailable(${name})
endmacro()

function(rejoin_provide_asio)
    rejoin_find_asio(found)
    if(NOT found)
        rejoin_fetch(asio https://github.com/chriskohlhoff/asio/archive/refs/tags/asio-1-30-2.tar.gz
            755bd7f85a4b269c67ae0ea254907c078d408cce8e1a352ad2ed664d233780e8)
        if(EXISTS ${asio_SOURCE_DIR}/asio/include/asio.hpp)
            set(found ${asio_SOURCE_DIR}/asio/include)
        else()
            set(found ${asio_SOURCE_DIR}/include)
        endif()
        set_property(GLOBAL PROPERTY REJOIN_FETCHED_ASIO ${found})
    endif()
    message(STATUS "rejoin: Asio from ${found}")
    add_library(rejoin_asio INTERFACE)
    if(TARGET ${found})
        target_link_libraries(rejoin_asio INTERFACE ${found})
    else()
        target_include_directories(rejoin_asio SYSTEM INTERFACE ${found})
    endif()
endfunction()

# llhttp comes as a library (upstream's CMake package) or as three generated C files (Debian's node-llhttp, upstream's
# release archive). The files are compiled here, and the library is installed with rejoin, so that a user of the
# installed package needs neither.
function(rejoin_provide_llhttp)
    set(library "")
    foreach(candidate llhttp::llhttp llhttp::llhttp_static llhttp::llhttp_shared)
        if(NOT library AND TARGET ${candidate})
            set(library ${candidate})
        endif()
    endforeach()
    if(NOT library)
        find_package(llhttp CONFIG QUIET)
        foreach(candidate llhttp::llhttp llhttp::llhttp_static llhttp::llhttp_shared)
            if(NOT library AND TARGET ${candidate})
                set(library ${candidate})
            endif()
        endforeach()
    endif()
    if(library)
        message(STATUS "rejoin: llhttp from target ${library}")
        add_library(rejoin_llhttp INTERFACE)
        target_link_libraries(rejoin_llhttp INTERFACE ${library})
        set_property(GLOBAL PROPERTY REJOIN_LLHTTP_PACKAGE ON)
    else()
        # The settings struct differs between versions: header and sources must be of one copy.
        find_path(REJOIN_LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share PATH_SUFFIXES llhttp
            DOC "The folder that holds llhttp's C sources")
        find_path(REJOIN_LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include PATH_SUFFIXES llhttp
            DOC "The folder that holds llhttp.h")
        mark_as_advanced(REJOIN_LLHTTP_SOURCE_DIR REJOIN_LLHTTP_INCLUDE_DIR)
        set(sources ${REJOIN_LLHTTP_SOURCE_DIR})
        set(headers ${REJOIN_LLHTTP_INCLUDE_DIR})
        if(NOT sources OR NOT headers)
            rejoin_fetch(llhttp https://github.com/nodejs/llhttp/archive/refs/tags/release/v9.2.1.tar.gz
                3c163891446e529604b590f9ad097b2e98b5ef7e4d3ddcf1cf98b62ca668f23e)
            set(sources ${llhttp_SOURCE_DIR}/src)
            set(headers ${llhttp_SOURCE_DIR}/include)
        endif()
        message(STATUS "rejoin: llhttp from the sources in ${sources}")
        add_library(rejoin_llhttp STATIC ${sources}/api.c ${sources}/http.c ${sources}/llhttp.c)
        set_target_properties(rejoin_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON)
        # A folder of its own below the prefix: another llhttp on the machine must not meet this one.
        target_include_directories(rejoin_llhttp SYSTEM PUBLIC $<BUILD_INTERFACE:${headers}>)
        target_include_directories(rejoin_llhttp
            PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/rejoin-llhttp>)
        set_property(GLOBAL PROPERTY REJOIN_LLHTTP_HEADER ${headers}/llhttp.h)
    endif()
    set_target_properties(rejoin_llhttp PROPERTIES EXPORT_NAME llhttp)
    add_library(rejoin::llhttp ALIAS rejoin_llhttp)
endfunction()

# Installs the parts of dependencies that the machine itself doesn't have.
# Sets REJOIN_LLHTTP_PACKAGE, which the package config is made from.
macro(rejoin_install_dependencies)
    get_property(REJOIN_LLHTTP_PACKAGE GLOBAL PROPERTY REJOIN_LLHTTP_PACKAGE)
    get_property(rejoin_llhttp_header GLOBAL PROPERTY REJOIN_LLHTTP_HEADER)
    if(rejoin_llhttp_header)
        install(FILES ${rejoin_llhttp_header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rejoin-llhttp)
    endif()
    get_property(rejoin_fetched_asio GLOBAL PROPERTY REJOIN_FETCHED_ASIO)
    if(rejoin_fetched_asio)
        install(DIRECTORY ${rejoin_fetched_asio}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/rejoin/asio/include
            FILES_MATCHING PATTERN "*.hpp" PATTERN "*.ipp")
    endif()
endmacro()

# --- for our own tests and programs only -----------------------------------------------------------------------------

# Catch2 2 (header only) or 3 (a library): the target Catch2::Catch2.
macro(rejoin_provide_catch2)
    if(NOT TARGET Catch2::Catch2)
        find_package(Catch2 CONFIG QUIET)
    endif()
    if(NOT TARGET Catch2::Catch2)
        rejoin_fetch(catch2 https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz
            c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c)
        add_subdirectory(${catch2_SOURCE_DIR} ${catch2_BINARY_DIR} EXCLUDE_FROM_ALL)
    endif()
endmacro()

# The target rejoin_cli: CLI11 and nlohmann/json, which the example programs use.
function(rejoin_provide_cli)
    find_package(CLI11 CONFIG QUIET)
    find_package(nlohmann_json CONFIG QUIET)
    add_library(rejoin_cli INTERFACE)
    if(TARGET CLI11::CLI11)
        target_link_libraries(rejoin_cli INTERFACE CLI11::CLI11)
    else()
        rejoin_fetch(cli11 https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
            f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)
        target_include_directories(rejoin_cli SYSTEM INTERFACE ${cli11_SOURCE_DIR}/include)
    endif()
    if(TARGET nlohmann_json::nlohmann_json)
        target_link_libraries(rejoin_cli INTERFACE nlohmann_json::nlohmann_json)
    else()
        rejoin_fetch(json https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
            d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)
        target_include_directories(rejoin_cli SYSTEM INTERFACE ${json_SOURCE_DIR}/include)
    endif()
endfunction()

# The target rejoin_toml, which the reference proxy reads its configuration with. Optional: without it, and where nothing may be
# fetched, the proxy has flags only. Always the headers alone: a library is built with other settings than these.
function(rejoin_provide_toml)
    find_path(REJOIN_TOML_INCLUDE_DIR toml++/toml.h DOC "The folder that holds toml++/toml.h")
    mark_as_advanced(REJOIN_TOML_INCLUDE_DIR)
    set(headers ${REJOIN_TOML_INCLUDE_DIR})
    if(NOT headers)
        if(NOT REJOIN_FETCH_DEPS)
            message(STATUS "rejoin: no toml++ (Debian: libtomlplusplus-dev): rejoin-proxy will have no --config")
            return()
        endif()
        rejoin_fetch(tomlplusplus https://github.com/marzer/tomlplusplus/archive/refs/tags/v3.4.0.tar.gz
            8517f65938a4faae9ccf8ebb36631a38c1cadfb5efa85d9a72e15b9e97d25155)
        set(headers ${tomlplusplus_SOURCE_DIR}/include)
    endif()
    add_library(rejoin_toml INTERFACE)
    target_include_directories(rejoin_toml SYSTEM INTERFACE ${headers})
    target_compile_definitions(rejoin_toml INTERFACE TOML_HEADER_ONLY=1 TOML_EXCEPTIONS=0 TOML_ENABLE_FORMATTERS=0)
endfunction()
