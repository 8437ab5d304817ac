# Finds Asio (the standalone one). Used by rejoin's own build and by the installed package.
#
#   rejoin_find_asio(<variable> [hint...])
#
# Sets <variable> to an existing target `asio::asio`, else to the folder that holds `asio.hpp`, else to a false value.

function(rejoin_find_asio result)
    if(NOT TARGET asio::asio)
        find_package(asio CONFIG QUIET)
    endif()
    if(TARGET asio::asio)
        set(${result} asio::asio PARENT_SCOPE)
        return()
    endif()

    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
        pkg_check_modules(REJOIN_PC_ASIO QUIET asio)
    endif()
    find_path(REJOIN_ASIO_INCLUDE_DIR asio.hpp
        HINTS ${ARGN} ${REJOIN_PC_ASIO_INCLUDE_DIRS}
        PATH_SUFFIXES include asio/include
        DOC "The folder that holds asio.hpp")
    mark_as_advanced(REJOIN_ASIO_INCLUDE_DIR)
    if(NOT REJOIN_ASIO_INCLUDE_DIR)
        set(${result} "" PARENT_SCOPE)
        return()
    endif()

    file(STRINGS ${REJOIN_ASIO_INCLUDE_DIR}/asio/version.hpp line REGEX "#define ASIO_VERSION ")
    string(REGEX MATCH "[0-9]+" version "${line}")
    if(version LESS 102201)
        message(STATUS "rejoin: Asio in ${REJOIN_ASIO_INCLUDE_DIR} is too old (${version}; 102201 is the least)")
        unset(REJOIN_ASIO_INCLUDE_DIR CACHE)
        set(${result} "" PARENT_SCOPE)
        return()
    endif()
    if(version GREATER 102201 AND version LESS 102802)
        message(WARNING "rejoin: Asio 1.22.2 to 1.28.1 can use a coroutine after it was freed when it is cancelled "
            "(fixed in 1.28.2); found ${version} in ${REJOIN_ASIO_INCLUDE_DIR}")
    endif()
    set(${result} ${REJOIN_ASIO_INCLUDE_DIR} PARENT_SCOPE)
endfunction()
