// SPDX-License-Identifier: BSD-2-Clause
// Copyright 2026 the guestmem authors
//
// A range check that adds base and size can wrap: at the top of the address space base + size is 0, and
// everything is behind the end. Subtract instead, `x - base < size`, which holds for any 64-bit values.
// Reported is each comparison with a sum of which one part is called a size. Not reported is
// `base + size < base`, which asks for just that overflow.

@plain@
expression x, base;
identifier size =~ "^(size|bytes|length|len|span)$";
position p;
@@
(
  base + size < base
|
  base + size <= base
|
  base > base + size
|
  base >= base + size
|
  x <@p base + size
|
  base + size <@p x
|
  x <=@p base + size
|
  base + size <=@p x
|
  x >@p base + size
|
  base + size >@p x
|
  x >=@p base + size
|
  base + size >=@p x
)

@script:python depends on plain@
p << plain.p;
@@
print("%s:%s: compares with base + size, which may wrap" % (p[0].file, p[0].line))

@member@
expression x, base;
expression thing;
identifier part =~ "^(size|bytes|length|len|span)$";
position p;
@@
(
  base + thing->part < base
|
  base + thing->part <= base
|
  base > base + thing->part
|
  base >= base + thing->part
|
  base + thing.part < base
|
  base + thing.part <= base
|
  base > base + thing.part
|
  base >= base + thing.part
|
  x <@p base + thing->part
|
  base + thing->part <@p x
|
  x <=@p base + thing->part
|
  base + thing->part <=@p x
|
  x >@p base + thing->part
|
  base + thing->part >@p x
|
  x >=@p base + thing->part
|
  base + thing->part >=@p x
|
  x <@p base + thing.part
|
  base + thing.part <@p x
|
  x <=@p base + thing.part
|
  base + thing.part <=@p x
|
  x >@p base + thing.part
|
  base + thing.part >@p x
|
  x >=@p base + thing.part
|
  base + thing.part >=@p x
)

@script:python depends on member@
p << member.p;
@@
print("%s:%s: compares with base + size, which may wrap" % (p[0].file, p[0].line))
