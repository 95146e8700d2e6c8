/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two threads and two VMs, crosswise: each is in a section of one VM, or at a callback of it, and
 * takes something away in the other. Nobody waits for ever.
 */
#define HERE(vm, t) ((vm) * 2 + (t))

byte epoch[2] = 1;
byte section[4]; /* of a VM and a thread */
byte turn[2] = 255;
byte calls[2];   /* at the callback of the VM's one reservation */
bool dead[2];

proctype thread(byte t)
{
    byte own = t;
    byte other = 1 - t;
    bool calling, failed;
    byte goal;

    section[HERE(own, t)] = epoch[own];
    if
    :: true -> /* a fault; its callback runs with the thread's sections ended */
        section[HERE(own, t)] = 0;
        d_step {
            if
            :: !dead[own] -> calls[own]++; calling = true
            :: else -> skip
            fi
        }
    :: true -> skip
    fi;

    /* vm_free_reserved_memory() in the other VM */
#ifndef MUTANT_PAUSE_ONE
    section[HERE(own, t)] = 0;
#endif
    atomic { turn[other] == 255 -> turn[other] = t }
#ifdef MUTANT_CALLBACKS_OF_ONE
    dead[other] = true;
#else
    d_step {
        if
        :: calling && calls[other] != 0 -> failed = true
        :: else -> dead[other] = true
        fi
    }
#endif
    if
    :: failed -> turn[other] = 255
    :: else ->
        goal = epoch[other] + 1;
        epoch[other] = goal;
        section[HERE(other, own)] == 0 || section[HERE(other, own)] >= goal;
        section[HERE(other, other)] == 0 || section[HERE(other, other)] >= goal;
        turn[other] = 255;
        calls[other] == 0
    fi;

    if
    :: calling -> calls[own]--
    :: else -> skip
    fi;
    section[HERE(own, t)] = 0
}

init {
    atomic {
        run thread(0);
        run thread(1)
    }
}
