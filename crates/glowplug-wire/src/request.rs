//! What a spare takes over from a client: all that a process inherits from the one that starts it.

use crate::Malformed;
use crate::fields::{Reader, Writer};

/// Longest request, bytes. The kernel takes at most 6 MiB of arguments and environment together.
pub const MAX_REQUEST: u32 = 16 << 20;

/// Most descriptors that a client can hand over.
pub const MAX_DESCRIPTORS: usize = 4096;

/// Most descriptors that go with one byte: Linux takes 253 in one message.
pub const DESCRIPTORS_AT_ONCE: usize = 250;

/// Number of resource limits.
pub const LIMITS: usize = 16;

/// A resource limit; all ones for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The soft limit.
    pub current: u64,
    /// The hard limit.
    pub maximum: u64,
}

/// What a client asks of a spare.
///
/// Behind it come the descriptors, the working directory's first, at most [`DESCRIPTORS_AT_ONCE`] with each further byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The interpreter's arguments, its own name first.
    pub arguments: Vec<&'a [u8]>,
    /// The environment: strings `NAME=value`, in order.
    pub environment: Vec<&'a [u8]>,
    /// What kind of target the interpreter is given: a script, a module, code or standard input, numbered as in an image's parameters.
    pub target_kind: u64,
    /// Which argument the target is.
    pub target_index: u64,
    /// `Request::LEADS_SESSION` and its like.
    pub flags: u64,
    /// File mode mask.
    pub umask: u64,
    /// How readily the kernel ends the process where memory is short: 1000 more than `/proc/PID/oom_score_adj`.
    pub expendability: u64,
    /// How late timers may go off, nanoseconds.
    pub timer_slack: u64,
    /// When the alarm goes off, and then how often, microseconds; zeros for never.
    pub alarm: [u64; 2],
    /// Priority as the kernel's own call tells it: 20 less the nice value, so 1 to 40.
    pub priority: u64,
    /// Bit `n - 1`: signal `n` is ignored.
    pub ignored: u64,
    /// Bit `n - 1`: signal `n` is blocked.
    pub blocked: u64,
    /// Bit `n - 1`: signal `n` has come and waits.
    pub pending: u64,
    /// Resource limits, by their numbers.
    pub limits: [Limit; LIMITS],
    /// The control group: what `/proc/self/cgroup` says.
    pub control_group: &'a [u8],
    /// The numbers under which the client has its descriptors, in the order in which they come.
    pub descriptors: Vec<u64>,
}

impl Request<'_> {
    /// The client leads its session.
    pub const LEADS_SESSION: u64 = 1;
    /// The client leads its process group.
    pub const LEADS_GROUP: u64 = 4;
    /// The client becomes the parent of its orphaned descendants.
    pub const ADOPTS_ORPHANS: u64 = 8;
    /// Standard streams are a terminal that was made for this program, which becomes the one that controls it.
    pub const TERMINAL: u64 = 2;

    /// As it is sent: the length of what follows, 4 bytes, and the fields; `None` where that is too long or has too many descriptors.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut fields = Writer(vec![0; 4]);
        fields.strings(self.arguments.iter().copied());
        fields.strings(self.environment.iter().copied());
        let numbers = [
            self.target_kind,
            self.target_index,
            self.flags,
            self.umask,
            self.expendability,
            self.timer_slack,
            self.alarm[0],
            self.alarm[1],
            self.priority,
            self.ignored,
            self.blocked,
            self.pending,
        ];
        numbers.iter().for_each(|&number| fields.number(number));
        for limit in &self.limits {
            fields.number(limit.current);
            fields.number(limit.maximum);
        }
        fields.string(self.control_group);
        fields.number(self.descriptors.len() as u64);
        self.descriptors.iter().for_each(|&number| fields.number(number));
        let len = u32::try_from(fields.0.len() - 4).ok().filter(|len| *len <= MAX_REQUEST)?;
        fields.0[..4].copy_from_slice(&len.to_le_bytes());
        (self.descriptors.len() <= MAX_DESCRIPTORS).then_some(fields.0)
    }
}

impl<'a> Request<'a> {
    /// Reads the fields, which do without the length.
    ///
    /// # Errors
    /// Where they are none: too few or too many bytes, no arguments, a zero byte in a string, a target that is no argument, the number
    /// of a descriptor twice.
    pub fn parse(bytes: &'a [u8]) -> Result<Request<'a>, Malformed> {
        let mut fields = Reader(bytes);
        let (arguments, environment) = (fields.strings()?, fields.strings()?);
        let mut request = Request {
            arguments,
            environment,
            target_kind: fields.number()?,
            target_index: fields.number()?,
            flags: fields.number()?,
            umask: fields.number()?,
            expendability: fields.number()?,
            timer_slack: fields.number()?,
            alarm: [fields.number()?, fields.number()?],
            priority: fields.number()?,
            ignored: fields.number()?,
            blocked: fields.number()?,
            pending: fields.number()?,
            ..Request::default()
        };
        for limit in &mut request.limits {
            *limit = Limit { current: fields.number()?, maximum: fields.number()? };
        }
        request.control_group = fields.string()?;
        request.descriptors = fields.numbers()?;
        if !fields.0.is_empty() {
            return Err(Malformed("something stands behind it"));
        }
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.target_index >= self.arguments.len() as u64 {
            return Err(Malformed("the target is no argument"));
        }
        if self.arguments.iter().chain(&self.environment).any(|string| string.contains(&0)) {
            return Err(Malformed("a string holds a zero byte"));
        }
        let mut numbers = self.descriptors.clone();
        numbers.sort_unstable();
        let twice = numbers.windows(2).any(|pair| pair[0] == pair[1]);
        let most = i32::MAX as u64;
        if twice || numbers.len() > MAX_DESCRIPTORS || numbers.last().is_some_and(|n| *n >= most) {
            return Err(Malformed("its descriptors cannot be"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> Request<'static> {
        Request {
            arguments: vec![b"/usr/bin/python3", b"-c", b"pass"],
            environment: vec![b"A=1", b"odd"],
            target_kind: 2,
            target_index: 2,
            flags: Request::LEADS_SESSION,
            umask: 0o22,
            expendability: 1000,
            timer_slack: 50_000,
            alarm: [7, 0],
            priority: 20,
            ignored: 1 << 12,
            blocked: 1 << 9,
            pending: 1 << 11,
            limits: [Limit { current: 1, maximum: u64::MAX }; LIMITS],
            control_group: b"0::/user.slice\n",
            descriptors: vec![0, 1, 2, 77],
        }
    }

    fn fields(request: &Request<'_>) -> Vec<u8> {
        request.to_bytes().expect("it is short")[4..].to_vec()
    }

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        let bytes = request().to_bytes().expect("it is short");
        assert_eq!(
            u32::from_le_bytes(bytes[..4].try_into().expect("four")) as usize,
            bytes.len() - 4
        );
        assert_eq!(Request::parse(&bytes[4..]), Ok(request()));
    }

    #[test]
    fn what_is_cut_off_or_makes_no_sense_is_refused() {
        let bytes = fields(&request());
        for len in 0..bytes.len() {
            assert!(Request::parse(&bytes[..len]).is_err(), "{len}");
        }
        let wrong = [
            Request { target_index: 3, ..request() },
            Request { descriptors: vec![1, 1], ..request() },
            Request { descriptors: vec![u64::MAX], ..request() },
            Request { environment: vec![b"A=\0"], ..request() },
        ];
        for request in &wrong {
            assert!(Request::parse(&fields(request)).is_err(), "{request:?}");
        }
    }

    #[test]
    fn too_long_a_request_is_not_sent() {
        let long = vec![b'x'; MAX_REQUEST as usize];
        assert_eq!(Request { control_group: &long, ..request() }.to_bytes(), None);
        let many = (0..=MAX_DESCRIPTORS as u64).collect();
        assert_eq!(Request { descriptors: many, ..request() }.to_bytes(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Request::parse(&bytes);
        }

        #[test]
        fn a_changed_byte_does_no_harm(at in 0usize..600, value in any::<u8>()) {
            let mut bytes = fields(&request());
            let at = at % bytes.len();
            bytes[at] = value;
            if let Ok(request) = Request::parse(&bytes) {
                prop_assert_eq!(fields(&request), bytes);
            }
        }
    }
}
