//! The few opcodes that matter, from `Lib/opcode.py` (3.9–3.12) and `Lib/_opcode_metadata.py` (3.13 and later) of each CPython.
//!
//! A test of `tests/lazy/test_control.py` compares them with what each interpreter says itself.

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

/// The other opcodes that work with a name: each with the number of bits that its argument has below the name's index.
#[cfg(all(Py_3_12, not(Py_3_13)))]
pub const NAMED: [(&std::ffi::CStr, u16, u32); 12] = [
    (c"STORE_NAME", 90, 0),
    (c"DELETE_NAME", 91, 0),
    (c"STORE_ATTR", 95, 0),
    (c"DELETE_ATTR", 96, 0),
    (c"STORE_GLOBAL", 97, 0),
    (c"DELETE_GLOBAL", 98, 0),
    (c"LOAD_NAME", 101, 0),
    (c"LOAD_ATTR", 106, 1),
    (c"IMPORT_NAME", 108, 0),
    (c"IMPORT_FROM", 109, 0),
    (c"LOAD_SUPER_ATTR", 141, 2),
    (c"LOAD_FROM_DICT_OR_GLOBALS", 175, 0),
];

/// As above; before 3.12 nobody asks.
#[cfg(not(Py_3_12))]
pub const NAMED: [(&std::ffi::CStr, u16, u32); 0] = [];

/// As above.
#[cfg(all(Py_3_13, not(Py_3_14)))]
pub const NAMED: [(&std::ffi::CStr, u16, u32); 12] = [
    (c"DELETE_ATTR", 63, 0),
    (c"DELETE_GLOBAL", 66, 0),
    (c"DELETE_NAME", 67, 0),
    (c"IMPORT_FROM", 74, 0),
    (c"IMPORT_NAME", 75, 0),
    (c"LOAD_ATTR", 82, 1),
    (c"LOAD_FROM_DICT_OR_GLOBALS", 90, 0),
    (c"LOAD_NAME", 92, 0),
    (c"LOAD_SUPER_ATTR", 93, 2),
    (c"STORE_ATTR", 108, 0),
    (c"STORE_GLOBAL", 113, 0),
    (c"STORE_NAME", 114, 0),
];

/// As above.
#[cfg(Py_3_14)]
pub const NAMED: [(&std::ffi::CStr, u16, u32); 12] = [
    (c"DELETE_ATTR", 61, 0),
    (c"DELETE_GLOBAL", 64, 0),
    (c"DELETE_NAME", 65, 0),
    (c"IMPORT_FROM", 72, 0),
    (c"IMPORT_NAME", 73, 0),
    (c"LOAD_ATTR", 80, 1),
    (c"LOAD_FROM_DICT_OR_GLOBALS", 91, 0),
    (c"LOAD_NAME", 93, 0),
    (c"LOAD_SUPER_ATTR", 96, 2),
    (c"STORE_ATTR", 110, 0),
    (c"STORE_GLOBAL", 115, 0),
    (c"STORE_NAME", 116, 0),
];

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
