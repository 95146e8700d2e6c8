/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * config_set(CONFIG_X): 1 where CONFIG_X is defined as 1, else 0; also outside of #if.
 */
#pragma once

#define _guestmem_config_1 ,
#define _guestmem_config_pick(ignored, value, ...) value
#define _guestmem_config_test(comma) _guestmem_config_pick(comma 1, 0, 0)
#define _guestmem_config_value(value) _guestmem_config_test(_guestmem_config_##value)
#define config_set(macro) _guestmem_config_value(macro)
