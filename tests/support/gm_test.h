/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Cases and checks. Test files that include only this and gm_env.h run on the host (over cmocka)
 * and on the real kernel (over a loop), unchanged.
 *
 *      static void a_zero_size_is_refused(struct gm_env *env, vm_t *vm) { GM_CHECK_NULL(...); }
 *
 *      static const struct gm_case cases[] = {
 *          GM_CASE(a_zero_size_is_refused),
 *          GM_CASE_WITH(device_ram_is_cleared, .device_ram = true),
 *      };
 *      const struct gm_suite reserve_suite = GM_SUITE("reserve", cases);
 *
 * Each case gets an environment and a VM of its own, and both are closed behind it: what the case,
 * or the library, leaves behind fails the case. A case's name is a sentence. A failed check ends
 * the case.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gm_env.h"

struct gm_case {
    const char *name;
    void (*function)(struct gm_env *env, vm_t *vm);
    struct gm_env_options options;
};

struct gm_suite {
    const char *name;
    const struct gm_case *cases;
    size_t count;
};

/* clang-format off */
#define GM_CASE(function) {#function, function, {0}}
#define GM_CASE_WITH(function, ...) {#function " (" #__VA_ARGS__ ")", function, {__VA_ARGS__}}
#define GM_SUITE(name, cases) {name, cases, sizeof(cases) / sizeof((cases)[0])}
/* clang-format on */

/*
 * Run the suites of a NULL-ended list. Each argument is a part of the names ("suite.case") to run;
 * none: all. Returns the number of cases that failed, or 1 where no case has such a name.
 */
int gm_test_run(int argc, char **argv, const struct gm_suite *const *suites);

/* End the case as failed, with a text; as skipped, with a reason. */
void gm_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void gm_test_skip(const char *reason) __attribute__((noreturn));

/* What the case is about at the moment, printed in front of a failure; "" for nothing. Cleared by the
 * next case. */
void gm_test_context(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *gm_test_get_context(void);

/* Say that a part of the case wasn't checked, once a reason and case; the case goes on. */
void gm_test_unchecked(const char *reason);

#define GM_FAIL(...) gm_test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define GM_SKIP(reason) gm_test_skip(reason)

#define GM_CHECK(condition)                    \
    do {                                       \
        if (!(condition)) {                    \
            GM_FAIL("not so: %s", #condition); \
        }                                      \
    } while (0)

/* For integers and pointers of any type; a negative equals a negative of another width. */
#define GM_CHECK_EQ(actual, expected) \
    gm_test_check_eq(__FILE__, __LINE__, #actual, (intmax_t)(actual), (intmax_t)(expected))
#define GM_CHECK_NE(actual, other) \
    gm_test_check_ne(__FILE__, __LINE__, #actual, (intmax_t)(actual), (intmax_t)(other))

#define GM_CHECK_NULL(pointer) GM_CHECK((pointer) == NULL)
#define GM_CHECK_NOT_NULL(pointer) GM_CHECK((pointer) != NULL)

/* That `size` bytes are equal; says where the first difference is. */
#define GM_CHECK_BYTES(actual, expected, size) \
    gm_test_check_bytes(__FILE__, __LINE__, actual, expected, size)
/* That `size` bytes all are `value`. */
#define GM_CHECK_FILLED(actual, value, size) \
    gm_test_check_filled(__FILE__, __LINE__, actual, value, size)

/* That the guest sees a frame of this size at `gpa`, with rights "rw", "r" or "-", device or not.
 */
#define GM_CHECK_LEAF(env, vm, gpa, size_bits, rights, device) \
    gm_test_check_leaf(__FILE__, __LINE__, env, vm, gpa, size_bits, rights, device)
/* That the guest's address shows this physical one; that nothing is mapped there. */
#define GM_CHECK_PADDR(env, vm, gpa, paddr) \
    gm_test_check_paddr(__FILE__, __LINE__, env, vm, gpa, paddr)
#define GM_CHECK_NO_LEAF(env, vm, gpa) gm_test_check_no_leaf(__FILE__, __LINE__, env, vm, gpa)

/* That the guest reads bytes that all are `value`. */
#define GM_CHECK_GUEST_FILLED(env, vm, gpa, value, size) \
    gm_test_check_guest_filled(__FILE__, __LINE__, env, vm, gpa, value, size)

/* Copy as the guest would; fails the case where it can't. On a side that can't do that, says so,
 * answers false, and copies nothing. */
bool gm_test_guest_read(struct gm_env *env, vm_t *vm, uintptr_t gpa, void *to, size_t size);
bool gm_test_guest_write(struct gm_env *env, vm_t *vm, uintptr_t gpa, const void *from,
                         size_t size);

void gm_test_check_leaf(const char *file, int line, struct gm_env *env, vm_t *vm, uintptr_t gpa,
                        size_t size_bits, const char *rights, bool device);
void gm_test_check_paddr(const char *file, int line, struct gm_env *env, vm_t *vm, uintptr_t gpa,
                         uintptr_t paddr);
void gm_test_check_no_leaf(const char *file, int line, struct gm_env *env, vm_t *vm, uintptr_t gpa);
void gm_test_check_guest_filled(const char *file, int line, struct gm_env *env, vm_t *vm,
                                uintptr_t gpa, int value, size_t size);
void gm_test_check_eq(const char *file, int line, const char *what, intmax_t actual,
                      intmax_t expected);
void gm_test_check_ne(const char *file, int line, const char *what, intmax_t actual,
                      intmax_t other);
void gm_test_check_bytes(const char *file, int line, const void *actual, const void *expected,
                         size_t size);
void gm_test_check_filled(const char *file, int line, const void *actual, int value, size_t size);
