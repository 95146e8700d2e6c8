# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Instructions of the library and what it calls in the C library, out of a callgrind file written
# with --compress-strings=no --compress-pos=no: all that was collected, less every call from code
# outside host/ into a function of host/, inclusive. So the host's model, and whatever the model
# itself calls, is left out once and wholly; model code never calls back into src/ in what is measured.
#
# One exception: the malloc operations are only a thin counting layer of the host's, and malloc
# itself is the library's cost. Calls that they make into the C library are added back.
#
#   awk -v host_folder=<folder of host/> -v malloc_ops=<regular expression of those functions> \
#       -f callgrind_cost.awk FILE

function is_host(file) { return index(file, host_folder) == 1 }

/^fl=/          { file = substr($0, 4); function_file = file; next }
/^(fi|fe)=/     { file = substr($0, 4); next }
/^fn=/          { fn = substr($0, 4); next }
/^(cfi|cfl)=/   { callee_file = substr($0, 5); next }
/^cfn=/         { next }
/^calls=/       {
    if (callee_file == "") {
        callee_file = file
    }
    from_host = is_host(function_file)
    to_host = is_host(callee_file)
    counted = ""
    if (!from_host && to_host) {
        counted = "left out"
    } else if (from_host && !to_host && fn ~ malloc_ops) {
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
