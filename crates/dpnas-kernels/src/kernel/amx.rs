//! AMX: products of bf16 tiles, sixteen windows × thirty-two numbers × sixteen channels at once.
//!
//! Eight tile registers: four of sums, two of windows, two of weights, so that each tile that is loaded is used twice.

use super::matrix_loops::{Begin, PANEL, ProductJob, TILE};
use crate::level::{Kind, Level};
use half::bf16;
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

impl Level {
    /// The level that multiplies matrix tiles, whatever [`Level::available`] says: for tests that emulate these
    /// instructions.
    ///
    /// # Safety
    /// The processor has AVX-512 for bf16, and something executes the matrix instructions.
    #[doc(hidden)]
    pub unsafe fn amx_unchecked() -> Self {
        Self(Kind::Amx)
    }
}

/// Bytes of a row of every tile.
const ROW: usize = 64;
/// Bytes of a tile of weights.
const WEIGHTS: usize = TILE * ROW;

/// Whether the processor multiplies tiles of bf16 and the operating system lets this process do so.
pub(crate) fn is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| cfg!(all(target_os = "linux", not(miri))) && processor_has_tiles() && may_use_tiles())
}

/// CPUID: leaf 7 says bf16 products (EDX, bit 22) and tiles (bit 24), leaf 1 that the operating system manages state; XCR0
/// that it saves tiles (bits 17 and 18).
fn processor_has_tiles() -> bool {
    let [basic, extended] = [1, 7].map(|leaf| __cpuid_count(leaf, 0));
    let highest = __cpuid_count(0, 0).eax;
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

/// Asks Linux for the tile registers, which are large and not given unasked: once for the whole process, before a thread
/// uses them.
fn may_use_tiles() -> bool {
    const ARCH_PRCTL: isize = 158;
    const REQUEST_PERMISSION: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call changes nothing but what this process may use, and touches rcx and r11 alone.
    unsafe {
        asm!(
            "syscall", inlateout("rax") result, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack)
        );
    }
    result == 0
}

/// What `ldtilecfg` reads: palette 1, rows and bytes a row of each tile register.
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
/// Where [`is_usable`].
pub(super) unsafe fn begin() {
    // SAFETY: the processor has tiles; the shapes are as the format demands.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const FULL_TILES, options(nostack, preserves_flags)) };
}

/// Gives the tile registers back: while they are in use, every switch of threads is slower.
///
/// # Safety
/// Where [`is_usable`].
pub(super) unsafe fn end() {
    // SAFETY: the processor has tiles.
    unsafe { asm!("tilerelease", options(nostack, preserves_flags)) };
}

/// Multiplies a panel, two tiles of windows at a time.
///
/// # Safety
/// As [`ProductJob`] says, between [`begin`] and [`end`].
pub(super) unsafe fn multiply(job: &ProductJob<'_, bf16>) {
    let mut pairs = job.starts.chunks_exact(2);
    let mut sums = job.sums;
    let two = |starts: [usize; 2], sums: *mut f32| {
        // SAFETY: sixteen rows from each start lie in the windows; there is room for the sums of one more tile.
        unsafe { pair(job, starts, sums) }
    };
    for starts in pairs.by_ref() {
        two([starts[0], starts[1]], sums);
        // SAFETY: the sums of the tiles that were computed lie in the memory.
        sums = unsafe { sums.add(2 * TILE * PANEL) };
    }
    if let [last] = pairs.remainder() {
        two([*last; 2], sums);
    }
}

/// Two tiles of windows × two of channels, over all tiles of weights.
///
/// # Safety
/// As [`ProductJob`] says, for these starts and sums; tile registers are configured.
#[inline(always)]
unsafe fn pair(job: &ProductJob<'_, bf16>, starts: [usize; 2], sums: *mut f32) {
    if job.offsets.is_empty() {
        return;
    }
    let [first, second] = starts.map(|start| job.windows.wrapping_add(start).cast::<u8>());
    // SAFETY: rows at each offset, weights for each, and the sums are as the job says; only tile registers and the named
    // ones change. The two tiles of sums lie below each other, `PANEL` sums a row, which is twice a row of weights.
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
            "tileloadd tmm0, [{sums} + {weights_pitch} * 2]",
            "tileloadd tmm1, [{sums} + {weights_pitch} * 2 + {row}]",
            "tileloadd tmm2, [{below} + {weights_pitch} * 2]",
            "tileloadd tmm3, [{below} + {weights_pitch} * 2 + {row}]",
            "3:",
            "mov {offset}, [{offsets}]",
            "tileloadd tmm6, [{weights} + {weights_pitch}]",
            "lea {at}, [{first} + {offset}]",
            "tileloadd tmm4, [{at} + {pitch}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {weights_pitch} + {weights_bytes}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "lea {at}, [{second} + {offset}]",
            "tileloadd tmm5, [{at} + {pitch}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {offsets}, 8",
            "add {weights}, 2 * {weights_bytes}",
            "dec {count}",
            "jnz 3b",
            "tilestored [{sums} + {weights_pitch} * 2], tmm0",
            "tilestored [{sums} + {weights_pitch} * 2 + {row}], tmm1",
            "tilestored [{below} + {weights_pitch} * 2], tmm2",
            "tilestored [{below} + {weights_pitch} * 2 + {row}], tmm3",
            sums = in(reg) sums,
            below = in(reg) sums.wrapping_add(TILE * PANEL),
            first = in(reg) first,
            second = in(reg) second,
            pitch = in(reg) job.pitch,
            at = inout(reg) usize::from(job.begin == Begin::Earlier) => _,
            offset = out(reg) _,
            offsets = inout(reg) job.offsets.as_ptr() => _,
            weights = inout(reg) job.weights => _,
            weights_pitch = in(reg) ROW,
            count = inout(reg) job.offsets.len() => _,
            row = const ROW,
            weights_bytes = const WEIGHTS,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}
