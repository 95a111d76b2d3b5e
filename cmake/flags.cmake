# Warnings, sanitizers and hardening, the same for every target.
add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes
                    -Wmissing-prototypes -Wvla -Wundef -Wformat=2 -Wunused-result
                    -fno-common -g)
if(CAIRN_WERROR)
    add_compile_options(-Werror)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-O1 -fno-omit-frame-pointer)
endif()

if(CAIRN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link) # libraries report coverage, too
endif()

if(CAIRN_SANITIZE)
    add_compile_options(-fsanitize=${CAIRN_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${CAIRN_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
                        -fcf-protection=full -fPIE)
    add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
    # Fibers have stacks of their own and no shadow stacks: this file must not claim support.
    set_source_files_properties(src/os/fiber_context.c PROPERTIES
                                COMPILE_OPTIONS -fcf-protection=branch)
endif()
