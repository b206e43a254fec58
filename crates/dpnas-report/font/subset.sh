#!/bin/sh
# Makes DejaVuSans-subset.ttf from DejaVuSans.ttf of DejaVu 2.37, given as the only argument.
# Needs fonttools: pip install fonttools==4.60.1
set -eu
cd "$(dirname "$0")"
SOURCE_DATE_EPOCH=0 pyftsubset "${1:?usage: subset.sh DejaVuSans.ttf}" \
  --output-file=DejaVuSans-subset.ttf \
  --unicodes='U+20-7E,U+A0-17F,U+218-21B,U+386-3CE,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,U+2032,U+2033,U+2039,U+203A,U+2070,U+2074-208E,U+20AC,U+2190-2195,U+21D2,U+2205,U+2208,U+2211,U+2212,U+221A,U+221E,U+2248,U+2260,U+2264,U+2265,U+FFFD' \
  --layout-features='' --no-hinting --desubroutinize --notdef-outline --name-IDs='0,1,2,3,4,5,6,13,14' --drop-tables+=GDEF,GPOS,GSUB,kern,MATH,FFTM
