//! AMX: products of bf16 tiles, sixteen windows × thirty-two numbers × sixteen channels at once.
//!
//! Eight tile registers: four of sums, two of windows, two of weights. Each loaded tile is used twice.

use super::matrix_loops::{Begin, PANEL, ProductJob, TILE};
use crate::level::{Kind, Level};
use half::bf16;
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

impl Level {
    /// The level that multiplies matrix tiles, even if [`Level::available`] lacks it: for tests that emulate these
    /// instructions.
    ///
    /// # Safety
    /// The processor has AVX-512 for bf16, and it or an emulator executes the matrix instructions.
    #[doc(hidden)]
    pub unsafe fn amx_unchecked() -> Self {
        Self(Kind::Amx)
    }
}

/// Bytes of a row of every tile.
const ROW: usize = 64;
/// Bytes of a tile of weights.
const WEIGHTS: usize = TILE * ROW;
/// Bytes of a panel's sums of one tile of windows.
const SUMS: usize = TILE * PANEL * size_of::<f32>();

/// Whether the processor multiplies tiles of bf16 and the operating system allows it.
pub(crate) fn is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| cfg!(all(target_os = "linux", not(miri))) && processor_has_tiles() && may_use_tiles())
}

/// Reads CPUID and XCR0. In CPUID, leaf 7 reports bf16 products (EDX, bit 22) and tiles (bit 24), and leaf 1 that the
/// operating system manages extended state. XCR0 reports that it saves tiles (bits 17 and 18).
fn processor_has_tiles() -> bool {
    // SAFETY: every processor of this architecture has the instruction.
    #[allow(unused_unsafe, reason = "the function is unsafe in older versions of Rust that are supported")]
    let read = |leaf| unsafe { __cpuid_count(leaf, 0) };
    let [basic, extended] = [1, 7].map(read);
    let highest = read(0).eax;
    let tiles = (1 << 22) | (1 << 24);
    let manages_state = 1 << 27;
    if highest < 7 || basic.ecx & manages_state == 0 || extended.edx & tiles != tiles {
        return false;
    }
    let saved: u32;
    // SAFETY: the operating system manages extended state, so the instruction exists.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") saved, out("edx") _, options(nomem, nostack, preserves_flags)) };
    let tile_state = 0b11 << 17;
    saved & tile_state == tile_state
}

/// Asks Linux for the tile registers. A process must ask once, before a thread uses them.
fn may_use_tiles() -> bool {
    const ARCH_PRCTL: isize = 158;
    const REQUEST_PERMISSION: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call changes only the permissions of this process, and of the registers only rax, rcx and r11.
    unsafe {
        asm!(
            "syscall", inlateout("rax") result, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack)
        );
    }
    result == 0
}

/// Multiply-adds of a round of [`peak`].
pub(super) const PEAK_PRODUCTS: usize = 4 * TILE * TILE * ROW / size_of::<bf16>();

/// Products of tiles that stay in registers, four a round, `rounds` times over; the sum of all.
///
/// # Safety
/// Between [`begin`] and [`end`].
pub(super) unsafe fn peak(rounds: usize) -> f32 {
    let windows = [bf16::from_f32(0.25); TILE * ROW / size_of::<bf16>()];
    let weights = [bf16::from_f32(0.5); TILE * ROW / size_of::<bf16>()];
    let mut sums = [0.0f32; 4 * TILE * TILE];
    if rounds == 0 {
        return 0.0;
    }
    // SAFETY: the arrays are whole tiles; only tile registers and the named ones change.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tileloadd tmm4, [{windows} + {row}]",
            "tileloadd tmm6, [{weights} + {row}]",
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm4, tmm6",
            "tdpbf16ps tmm3, tmm4, tmm6",
            "dec {count}",
            "jnz 2b",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + {tile}], tmm1",
            "tilestored [{sums} + {row} + 2 * {tile}], tmm2",
            "tilestored [{sums} + {row} + 3 * {tile}], tmm3",
            windows = in(reg) windows.as_ptr(),
            weights = in(reg) weights.as_ptr(),
            sums = in(reg) sums.as_mut_ptr(),
            row = in(reg) ROW,
            count = inout(reg) rounds => _,
            tile = const TILE * ROW,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
    sums.iter().sum()
}

/// Operand of `ldtilecfg`: palette 1, rows and bytes a row of each tile register.
#[repr(C, align(64))]
struct TileShapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static FULL_TILES: TileShapes = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < 8 {
        row_bytes[tile] = ROW as u16;
        rows[tile] = TILE as u8;
        tile += 1;
    }
    TileShapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// Gives this thread tile registers until [`end`].
///
/// # Safety
/// Where [`is_usable`], or as [`Level::amx_unchecked`] says.
pub(super) unsafe fn begin() {
    // SAFETY: the processor has tiles; the shapes are as the format demands.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const FULL_TILES, options(nostack, preserves_flags)) };
}

/// Releases the tile registers, because every thread switch is slower while they are in use.
///
/// # Safety
/// Where [`is_usable`], or as [`Level::amx_unchecked`] says.
pub(super) unsafe fn end() {
    // SAFETY: the processor has tiles.
    unsafe { asm!("tilerelease", options(nostack, preserves_flags)) };
}

/// Multiplies a panel: two tiles of windows × two of channels at a time, or four × one if the panel has only one.
///
/// # Safety
/// As [`ProductJob`] says, between [`begin`] and [`end`].
pub(super) unsafe fn multiply(job: &ProductJob<'_, bf16>) {
    if job.offsets.is_empty() {
        return;
    }
    let mut sums = job.sums;
    let at_once = if job.channels > TILE { 2 } else { 4 };
    for starts in job.starts.chunks(at_once) {
        // If too few tiles are left, the last ones are computed again.
        let start = |index: usize| starts[index.min(starts.len() - 1)];
        // SAFETY: sixteen rows from each start lie in the windows; there is room for the sums of three tiles more.
        unsafe {
            match at_once {
                2 => two_by_two(job, [start(0), start(1)], sums),
                _ => four_by_one(job, [start(0), start(1), start(2), start(3)], sums),
            }
        }
        sums = sums.wrapping_add(at_once * TILE * PANEL);
    }
}

/// Two tiles of windows × two of channels, over all tiles of weights.
///
/// # Safety
/// As [`ProductJob`] says, for these starts and sums; there is an offset, and tile registers are configured.
#[inline(always)]
unsafe fn two_by_two(job: &ProductJob<'_, bf16>, starts: [usize; 2], sums: *mut f32) {
    let [first, second] = starts.map(|start| job.windows.wrapping_add(start).cast::<u8>());
    // SAFETY: rows at each offset, weights for each, and the sums are as the job says; only tile registers and the named
    // ones change. Tiles of sums lie below each other, `PANEL` sums a row, which is twice a row of weights.
    unsafe {
        asm!(
            "test {at:e}, {at:e}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{sums} + {row} * 2]",
            "tileloadd tmm1, [{sums} + {row} * 2 + {half}]",
            "tileloadd tmm2, [{sums} + {row} * 2 + {below}]",
            "tileloadd tmm3, [{sums} + {row} * 2 + {below} + {half}]",
            "3:",
            "mov {offset}, [{offsets}]",
            "tileloadd tmm6, [{weights} + {row}]",
            "lea {at}, [{first} + {offset}]",
            "tileloadd tmm4, [{at} + {pitch}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {row} + {tile}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "lea {at}, [{second} + {offset}]",
            "tileloadd tmm5, [{at} + {pitch}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {offsets}, 8",
            "add {weights}, 2 * {tile}",
            "dec {count}",
            "jnz 3b",
            "tilestored [{sums} + {row} * 2], tmm0",
            "tilestored [{sums} + {row} * 2 + {half}], tmm1",
            "tilestored [{sums} + {row} * 2 + {below}], tmm2",
            "tilestored [{sums} + {row} * 2 + {below} + {half}], tmm3",
            sums = in(reg) sums,
            first = in(reg) first,
            second = in(reg) second,
            pitch = in(reg) job.pitch,
            at = inout(reg) usize::from(job.begin == Begin::Earlier) => _,
            offset = out(reg) _,
            offsets = inout(reg) job.offsets.as_ptr() => _,
            weights = inout(reg) job.weights => _,
            row = in(reg) ROW,
            count = inout(reg) job.offsets.len() => _,
            half = const ROW,
            tile = const WEIGHTS,
            below = const SUMS,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}

/// Four tiles of windows × one of channels, over all tiles of weights, of which only the first of each two is read.
///
/// # Safety
/// As [`ProductJob`] says, for these starts and sums; there is an offset, and tile registers are configured.
#[inline(always)]
unsafe fn four_by_one(job: &ProductJob<'_, bf16>, starts: [usize; 4], sums: *mut f32) {
    let [first, second, third, fourth] = starts.map(|start| job.windows.wrapping_add(start).cast::<u8>());
    // SAFETY: as in `two_by_two`.
    unsafe {
        asm!(
            "test {at:e}, {at:e}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{sums} + {row} * 2]",
            "tileloadd tmm1, [{sums} + {row} * 2 + {below}]",
            "tileloadd tmm2, [{sums} + {row} * 2 + 2 * {below}]",
            "tileloadd tmm3, [{sums} + {row} * 2 + 3 * {below}]",
            "3:",
            "mov {offset}, [{offsets}]",
            "tileloadd tmm6, [{weights} + {row}]",
            "lea {at}, [{first} + {offset}]",
            "tileloadd tmm4, [{at} + {pitch}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "lea {at}, [{second} + {offset}]",
            "tileloadd tmm5, [{at} + {pitch}]",
            "tdpbf16ps tmm1, tmm5, tmm6",
            "lea {at}, [{third} + {offset}]",
            "tileloadd tmm4, [{at} + {pitch}]",
            "tdpbf16ps tmm2, tmm4, tmm6",
            "lea {at}, [{fourth} + {offset}]",
            "tileloadd tmm5, [{at} + {pitch}]",
            "tdpbf16ps tmm3, tmm5, tmm6",
            "add {offsets}, 8",
            "add {weights}, 2 * {tile}",
            "dec {count}",
            "jnz 3b",
            "tilestored [{sums} + {row} * 2], tmm0",
            "tilestored [{sums} + {row} * 2 + {below}], tmm1",
            "tilestored [{sums} + {row} * 2 + 2 * {below}], tmm2",
            "tilestored [{sums} + {row} * 2 + 3 * {below}], tmm3",
            sums = in(reg) sums,
            first = in(reg) first,
            second = in(reg) second,
            third = in(reg) third,
            fourth = in(reg) fourth,
            pitch = in(reg) job.pitch,
            at = inout(reg) usize::from(job.begin == Begin::Earlier) => _,
            offset = out(reg) _,
            offsets = inout(reg) job.offsets.as_ptr() => _,
            weights = inout(reg) job.weights => _,
            row = in(reg) ROW,
            count = inout(reg) job.offsets.len() => _,
            tile = const WEIGHTS,
            below = const SUMS,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}
