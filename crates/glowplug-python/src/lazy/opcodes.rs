//! The few opcodes that matter, from `Lib/opcode.py` (3.9–3.12) and `Lib/_opcode_metadata.py` (3.13 and later) of each CPython.
//!
//! The test `tests/lazy/test_opcodes.py` compares them with what each interpreter says itself.

/// An opcode that this minor does not have: no byte equals it.
#[cfg(not(Py_3_11))]
const ABSENT: u16 = 256;

macro_rules! opcodes {
    ($($condition:meta => $import_name:expr, $import_from:expr, $store_name:expr, $pop_top:expr, $extended_arg:expr, $swap:expr,
       $delete_name:expr, $push_exc_info:expr, $with_except_start:expr, $load_name:expr, $load_global:expr;)*) => {
        $(
            #[cfg($condition)]
            mod numbers {
                pub const IMPORT_NAME: u16 = $import_name;
                pub const IMPORT_FROM: u16 = $import_from;
                pub const STORE_NAME: u16 = $store_name;
                pub const POP_TOP: u16 = $pop_top;
                pub const EXTENDED_ARG: u16 = $extended_arg;
                pub const SWAP: u16 = $swap;
                pub const DELETE_NAME: u16 = $delete_name;
                pub const PUSH_EXC_INFO: u16 = $push_exc_info;
                pub const WITH_EXCEPT_START: u16 = $with_except_start;
                pub const LOAD_NAME: u16 = $load_name;
                pub const LOAD_GLOBAL: u16 = $load_global;
            }
        )*
    };
}

// `SWAP` stands for ROT_TWO before 3.11.
opcodes! {
    not(Py_3_11) => 108, 109, 90, 1, 144, 2, 91, super::ABSENT, 49, 101, 116;
    all(Py_3_11, not(Py_3_13)) => 108, 109, 90, 1, 144, 99, 91, 35, 49, 101, 116;
    all(Py_3_13, not(Py_3_14)) => 75, 74, 114, 32, 71, 115, 67, 33, 44, 92, 91;
    Py_3_14 => 73, 72, 116, 31, 69, 117, 65, 32, 43, 93, 92;
}

pub use numbers::*;

/// All of them by name, for the test.
pub const ALL: [(&std::ffi::CStr, u16); 11] = [
    (c"IMPORT_NAME", IMPORT_NAME),
    (c"IMPORT_FROM", IMPORT_FROM),
    (c"STORE_NAME", STORE_NAME),
    (c"POP_TOP", POP_TOP),
    (c"EXTENDED_ARG", EXTENDED_ARG),
    (if cfg!(Py_3_11) { c"SWAP" } else { c"ROT_TWO" }, SWAP),
    (c"DELETE_NAME", DELETE_NAME),
    (c"PUSH_EXC_INFO", PUSH_EXC_INFO),
    (c"WITH_EXCEPT_START", WITH_EXCEPT_START),
    (c"LOAD_NAME", LOAD_NAME),
    (c"LOAD_GLOBAL", LOAD_GLOBAL),
];
