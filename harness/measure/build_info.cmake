# Writes OUT, the header that tells how this was built; run at each build, so that the commit is
# that of the build and not of the configuration. Untouched when nothing changed.
# -D OUT= SOURCE= VERSION= TYPE= COMPILER= FLAGS= GIT=
set(commit unknown)
if(GIT)
  execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE} rev-parse --show-prefix
    OUTPUT_VARIABLE prefix ERROR_QUIET RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE)
  # A prefix: the sources lie within somebody else's repository, whose commit says nothing.
  if(NOT failed AND prefix STREQUAL "")
    execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE} rev-parse --short=12 HEAD
      OUTPUT_VARIABLE head ERROR_QUIET RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed)
      set(commit ${head})
      execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE} status --porcelain
        --untracked-files=no OUTPUT_VARIABLE changes ERROR_QUIET)
      if(NOT changes STREQUAL "")
        set(commit ${head}-dirty)
      endif()
    endif()
  endif()
endif()

string(REGEX MATCH "-fsanitize=[a-z,-]+" sanitizers "${FLAGS}")
string(REPLACE "-fsanitize=" "" sanitizers "${sanitizers}")
set(coverage 0)
if(FLAGS MATCHES "--coverage|-fprofile-arcs")
  set(coverage 1)
endif()
foreach(name VERSION TYPE COMPILER FLAGS)
  string(STRIP "${${name}}" ${name})
  string(REPLACE "\\" "\\\\" ${name} "${${name}}")
  string(REPLACE "\"" "\\\"" ${name} "${${name}}")
endforeach()
file(CONFIGURE OUTPUT ${OUT} CONTENT "/* Written by the build. */
#define BUILD_VERSION    \"${VERSION}\"
#define BUILD_COMMIT     \"${commit}\"
#define BUILD_TYPE       \"${TYPE}\"
#define BUILD_COMPILER   \"${COMPILER}\"
#define BUILD_FLAGS      \"${FLAGS}\"
#define BUILD_SANITIZERS \"${sanitizers}\"
#define BUILD_COVERAGE   ${coverage}
" @ONLY)
