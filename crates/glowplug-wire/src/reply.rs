//! What a spare answers to a request.

use crate::Malformed;

/// What a spare says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It has made itself ready for a request.
    Ready,
    /// The program begins.
    Begun,
    /// The client has something that this process cannot take over; nothing has happened.
    Unfit(Unfit),
}

/// What a process cannot take over from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The request makes no sense, or not all of it has come.
    Request,
    /// Not so many descriptors can be open.
    Descriptors,
    /// The working directory may not be entered.
    Folder,
    /// A limit is higher than it may be set.
    Limits,
    /// The client has a higher priority.
    Priority,
    /// The client's control group may not be joined.
    ControlGroup,
    /// The client's terminal cannot be taken over.
    Terminal,
}

const UNFIT: [Unfit; 7] = [
    Unfit::Request,
    Unfit::Descriptors,
    Unfit::Folder,
    Unfit::Limits,
    Unfit::Priority,
    Unfit::ControlGroup,
    Unfit::Terminal,
];

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unfit::Request => "the server did not understand the request",
            Unfit::Descriptors => "more descriptors are inherited than the template may have open",
            Unfit::Folder => "the template may not enter the working directory",
            Unfit::Limits => "a resource limit is higher than the template's",
            Unfit::Priority => "the priority is higher than the template's",
            Unfit::ControlGroup => "the template may not join the control group",
            Unfit::Terminal => "the template cannot take over the terminal",
        })
    }
}

impl Reply {
    /// As it is sent: one byte.
    pub fn to_byte(self) -> u8 {
        match self {
            Reply::Ready => b'R',
            Reply::Begun => b'B',
            Reply::Unfit(unfit) => UNFIT.iter().position(|one| *one == unfit).unwrap_or(0) as u8,
        }
    }

    /// Reads what came.
    ///
    /// # Errors
    /// Where it is no reply.
    pub fn parse(byte: u8) -> Result<Reply, Malformed> {
        match byte {
            b'R' => Ok(Reply::Ready),
            b'B' => Ok(Reply::Begun),
            index => {
                let unfit = UNFIT.get(usize::from(index));
                unfit.map(|unfit| Reply::Unfit(*unfit)).ok_or(Malformed("an unknown reply"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_arrive_as_they_were_sent() {
        let unfit = UNFIT.into_iter().map(Reply::Unfit);
        for reply in unfit.chain([Reply::Ready, Reply::Begun]) {
            assert_eq!(Reply::parse(reply.to_byte()), Ok(reply));
        }
        assert!(Reply::parse(255).is_err());
    }
}
