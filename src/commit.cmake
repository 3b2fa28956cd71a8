# Writes OUT, a header with the commit that SOURCE is at and its day; touches it only when it says something new, so
# that nothing is compiled again without need. "unknown" without git or outside a clone.
set(commit unknown)
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE described RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed AND described MATCHES "^[0-9a-f]+(-dirty)?$")
    set(commit ${described})
  endif()
endif()
set(date "")
if(NOT commit STREQUAL unknown)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE} show -s --format=%cs HEAD
    OUTPUT_VARIABLE date ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT
  "#define TALKGEN_COMMIT \"${commit}\"\n#define TALKGEN_COMMIT_DATE \"${date}\"\n")
