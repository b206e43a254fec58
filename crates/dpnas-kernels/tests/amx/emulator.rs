//! The six AMX instructions that the kernels use, for processors that trap them as illegal.

use std::cell::RefCell;
use std::sync::Once;

/// Rows of a tile, and `f32` of a row.
const SIZE: usize = 16;
/// Bytes of a row.
const ROW: usize = 64;

type Tile = [[u8; ROW]; SIZE];

thread_local! {
    /// The tile registers of a thread, once it has configured them.
    static TILES: RefCell<Option<Box<[Tile; 8]>>> = const { RefCell::new(None) };
}

/// Emulates the instructions in this process from now on.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = illegal_instruction;
        // SAFETY: an all-zero action is a valid one, and its handler has the signature that SA_SIGINFO asks for.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            assert_eq!(libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut()), 0);
        }
    });
}

/// The number of a general register in an instruction → its place among the saved registers.
const REGISTERS: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

extern "C" fn illegal_instruction(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands over the context of the thread that was interrupted by its own instruction, so nothing
    // else uses its registers or its tiles.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let at = registers[libc::REG_RIP as usize] as *const u8;
        let instruction = Instruction::decode(at, |number| registers[REGISTERS[number] as usize] as usize);
        instruction.execute();
        registers[libc::REG_RIP as usize] += instruction.length as i64;
    }
}

/// A decoded instruction of the group VEX.128.0F38.W0.
struct Instruction {
    /// The mandatory prefix: 0 none, 2 F3, 3 F2.
    prefix: u8,
    opcode: u8,
    /// Fields of the ModRM byte. They name a register if `is_register`.
    is_register: bool,
    reg: usize,
    rm: usize,
    /// The third operand.
    other: usize,
    base: usize,
    index: usize,
    length: usize,
}

impl Instruction {
    /// # Safety
    /// `at` points to the instruction that was trapped.
    unsafe fn decode(at: *const u8, register: impl Fn(usize) -> usize) -> Self {
        // SAFETY: an instruction is at most fifteen bytes, and what lies behind this one is code, too.
        let byte = |index: usize| unsafe { at.add(index).read() };
        if byte(0) != 0xC4 || byte(1) & 0x1F != 2 || byte(2) & 0x84 != 0 {
            stop("an instruction that is none of AMX");
        }
        let extension = |bit: u8| usize::from(byte(1) >> bit & 1 == 0) * 8;
        let modrm = byte(4);
        let (mode, rm) = (modrm >> 6, usize::from(modrm & 7));
        let mut instruction = Self {
            prefix: byte(2) & 3,
            opcode: byte(3),
            is_register: mode == 3,
            reg: usize::from(modrm >> 3 & 7),
            rm,
            other: usize::from(!byte(2) >> 3 & 15),
            base: 0,
            index: 0,
            length: 5,
        };
        if mode == 3 {
            return instruction;
        }
        let mut base = rm + extension(5);
        if rm == 4 {
            let sib = byte(5);
            instruction.length += 1;
            base = usize::from(sib & 7) + extension(5);
            let index = usize::from(sib >> 3 & 7) + extension(6);
            if index != 4 {
                instruction.index = register(index) << (sib >> 6);
            }
        }
        let displacement = |length: usize| match length {
            0 => 0,
            // SAFETY: as above.
            1 => unsafe { at.add(instruction.length).cast::<i8>().read() as isize },
            // SAFETY: as above.
            _ => unsafe { at.add(instruction.length).cast::<i32>().read_unaligned() as isize },
        };
        if mode == 0 && (base & 7 == 5) {
            stop("an address without a base");
        }
        let length = [0, 1, 4][usize::from(mode)];
        instruction.base = register(base).wrapping_add_signed(displacement(length));
        instruction.length += length;
        instruction
    }

    /// # Safety
    /// The operands are those of the code that was trapped, which vouches for its memory.
    unsafe fn execute(&self) {
        TILES.with(|tiles| {
            let mut tiles = tiles.borrow_mut();
            // SAFETY: memory operands are the trapped code's.
            unsafe {
                match (self.prefix, self.opcode, self.is_register) {
                    (0, 0x49, false) => *tiles = Some(configured(self.base as *const u8)),
                    (0, 0x49, true) => *tiles = None,
                    _ => {
                        let Some(tiles) = tiles.as_deref_mut() else { stop("tiles that were not configured") };
                        self.on_tiles(tiles);
                    }
                }
            }
        });
    }

    /// # Safety
    /// As [`execute`](Self::execute).
    unsafe fn on_tiles(&self, tiles: &mut [Tile; 8]) {
        let rows = (0..SIZE).map(|row| (row, (self.base + row * self.index) as *mut [u8; ROW]));
        match (self.prefix, self.opcode, self.is_register) {
            (3, 0x49, true) => tiles[self.reg] = [[0; ROW]; SIZE],
            (3, 0x4B, false) => {
                for (row, memory) in rows {
                    // SAFETY: passed on from the caller.
                    tiles[self.reg][row] = unsafe { memory.read_unaligned() };
                }
            }
            (2, 0x4B, false) => {
                for (row, memory) in rows {
                    // SAFETY: passed on from the caller.
                    unsafe { memory.write_unaligned(tiles[self.reg][row]) };
                }
            }
            (2, 0x5C, true) => {
                let (windows, weights) = (tiles[self.rm], tiles[self.other]);
                multiply(&mut tiles[self.reg], &windows, &weights);
            }
            _ => stop("an instruction that the kernels do not use"),
        }
    }
}

/// `tdpbf16ps`: sums of even and of odd places apart, then added to each other and to the old sum.
fn multiply(sums: &mut Tile, windows: &Tile, weights: &Tile) {
    let number = |row: &[u8; ROW], at: usize| f32::from_bits(u32::from_le_bytes([0, 0, row[2 * at], row[2 * at + 1]]));
    for (sums, windows) in sums.iter_mut().zip(windows) {
        for (column, sum) in sums.chunks_exact_mut(4).enumerate() {
            let mut parts = [0.0f32; 2];
            for at in 0..2 * SIZE {
                parts[at % 2] += number(windows, at) * number(&weights[at / 2], 2 * column + at % 2);
            }
            let old = f32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]);
            sum.copy_from_slice(&(old + (parts[0] + parts[1])).to_le_bytes());
        }
    }
}

/// The registers after `ldtilecfg`, which must ask for eight full tiles.
///
/// # Safety
/// Sixty-four readable bytes.
unsafe fn configured(from: *const u8) -> Box<[Tile; 8]> {
    // SAFETY: passed on from the caller.
    let bytes = unsafe { from.cast::<[u8; 64]>().read_unaligned() };
    let mut expected = [0; 64];
    expected[0] = 1;
    for tile in 0..8 {
        expected[16 + 2 * tile] = ROW as u8;
        expected[48 + tile] = SIZE as u8;
    }
    if bytes != expected {
        stop("a configuration of other tiles");
    }
    // A value that shows if a register is read before it is loaded.
    Box::new([[[0x7F; ROW]; SIZE]; 8])
}

/// Ends the test: a signal handler must not unwind.
fn stop(why: &str) -> ! {
    eprintln!("the emulator met {why}");
    std::process::abort()
}
