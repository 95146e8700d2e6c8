# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Instructions of the library and what it calls in the C library, out of a callgrind file written
# with --compress-strings=no --compress-pos=no: all that was collected, less every call from code
# outside host/ into a function of host/, inclusive. So the host's model, and whatever the model
# itself calls, is left out once and wholly; model code never calls back into src/ in what is measured.
#
# One exception: malloc itself is the library's cost, and the environment's malloc operations are only
# a counting and poisoning layer around it. What that file calls of the C library's malloc, calloc
# and free is added back.
#
#   awk -v host_folder=<folder of host/> -f callgrind_cost.awk FILE

# The stand-in headers' inline functions are the library's cost: a seL4 tree has them too.
function is_host(file) {
    return index(file, host_folder) == 1 && index(file, host_folder "include/") != 1
}

/^fl=/          { file = substr($0, 4); function_file = file; next }
/^(fi|fe)=/     { file = substr($0, 4); next }
/^(cfi|cfl)=/   { callee_file = substr($0, 5); next }
/^cfn=/         { callee = substr($0, 5); next }
/^calls=/       {
    if (callee_file == "") {
        callee_file = file
    }
    from_host = is_host(function_file)
    to_host = is_host(callee_file)
    counted = ""
    if (!from_host && to_host) {
        counted = "left out"
    } else if (from_host && !to_host && function_file == host_folder "env/malloc.c" &&
               callee ~ /^(malloc|calloc|free)$/) {
        counted = "added back"
    }
    callee_file = ""
    getline
    if (counted == "left out") {
        left_out += $2
    } else if (counted == "added back") {
        back += $2
    }
    next
}
/^[0-9]+ [0-9]+$/ { total += $2 }
END {
    if (total == 0) {
        print "nothing was collected" > "/dev/stderr"
        exit 1
    }
    printf "%.0f %.0f %.0f\n", total - left_out + back, total, left_out - back
}
