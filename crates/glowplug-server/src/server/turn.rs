//! One turn of the server's loop.

use super::clients::Said;
use super::{Ending, Inputs, Server, Spare};
use crate::message;
use glowplug_linux::identity::{Identity, Peer};
use glowplug_linux::surroundings;
use glowplug_wire::{Answer, Event, Hello, Reply, Verdict, Wish, Word};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::WaitOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What has happened, by who has to be looked at. Places are those in the list of silent clients, who are heard first; processes are named
/// by their ids, as hearing one client can change all other lists.
#[derive(Default)]
struct Happened {
    connected: bool,
    template: bool,
    guardian: bool,
    signals: bool,
    inputs: bool,
    silent: Vec<usize>,
    spares: Vec<u32>,
    branches: Vec<usize>,
    gone: Vec<u32>,
}

impl<I: Inputs> Server<I> {
    /// Waits until something happens, and sees to it.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let happened = self.wait()?;
        if happened.signals {
            self.hear_signals();
        }
        // Backwards, as those that have been heard leave the list.
        for place in happened.silent.into_iter().rev() {
            if let Said::Hello(stream, bytes) = self.clients.hear(place) {
                self.answer(stream, &bytes);
            }
        }
        for pid in happened.spares {
            self.hear_spare(pid);
        }
        if happened.template {
            self.hear_template();
        }
        if happened.guardian {
            self.hear_guardian();
        }
        for place in happened.branches.into_iter().rev() {
            self.branches.remove(place);
        }
        for pid in happened.gone {
            self.lose_client(pid);
        }
        if happened.connected {
            self.accept();
        }
        self.look_at_inputs(happened.inputs);
        self.clients.lose_patience();
        self.look_at_clock();
        if self.refill_due.is_some_and(|due| due <= Instant::now()) {
            self.refill();
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Happened> {
        let mut entries = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let listening = self.listener.is_some();
        if let Some(listener) = &self.listener {
            entries.push(PollFd::new(listener, PollFlags::IN));
        }
        let listens_to_template = !self.template.is_gone();
        if listens_to_template {
            entries.push(PollFd::new(&self.template, PollFlags::IN));
        }
        let inputs = entries.len();
        let watched = self.inputs.watched().filter(|_| self.ending.is_none());
        entries.extend(watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let silent = entries.len();
        entries.extend(self.clients.silent().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let spares = entries.len();
        entries.extend(self.spares.iter().map(|s| PollFd::new(&s.socket, PollFlags::IN)));
        let guardian = entries.len();
        let connection = self.template.guardian();
        entries.extend(connection.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let branches = entries.len();
        let streams = self.branches.streams();
        entries.extend(streams.map(|fd| PollFd::from_borrowed_fd(fd, surroundings::HUNG_UP)));
        let running = entries.len();
        let mut pids = Vec::new();
        // While the template lives, it looks after them.
        if !listens_to_template {
            for (pid, fd) in self.clients.running() {
                pids.push(pid);
                entries.push(PollFd::from_borrowed_fd(fd, surroundings::HUNG_UP));
            }
        }
        let timeout = self.timeout().map(|time| Timespec {
            tv_sec: time.as_secs() as i64,
            // Rounded up, so that the time has come when it returns.
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        match rustix::event::poll(&mut entries, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has = |place: usize| !entries[place].revents().is_empty();
        let among = |from: usize, to: usize| (from..to).filter(|&place| has(place));
        Ok(Happened {
            signals: has(0),
            connected: listening && has(1),
            template: listens_to_template && has(1 + usize::from(listening)),
            inputs: among(inputs, silent).next().is_some(),
            silent: among(silent, spares).map(|place| place - silent).collect(),
            spares: among(spares, guardian).map(|place| self.spares[place - spares].pid).collect(),
            guardian: among(guardian, branches).next().is_some(),
            branches: among(branches, running).map(|place| place - branches).collect(),
            gone: among(running, entries.len()).map(|place| pids[place - running]).collect(),
        })
    }

    fn timeout(&self) -> Option<Duration> {
        let idle = self.settings.idle_limit.map(|limit| limit.saturating_sub(self.used.elapsed()));
        // While programs run, it is not idle.
        let idle = idle.filter(|_| self.clients.programs() == 0);
        let soon = Duration::from_millis(1);
        let refill = self.refill_due.map(|due| due.saturating_duration_since(Instant::now()));
        [idle, refill, self.clients.patience()]
            .into_iter()
            .flatten()
            .min()
            .map(|time| time.max(soon))
    }

    /// Ends where inputs have changed; gets ready for the next start where nobody waits.
    pub(super) fn look_at_inputs(&mut self, may_have_changed: bool) {
        if self.ending.is_some() {
            return;
        }
        let mut result = Ok(());
        if may_have_changed {
            result = self.inputs.unchanged();
        }
        if self.ordered.is_empty() && self.clients.silent().next().is_none() {
            result = result.and_then(|()| self.inputs.at_rest());
        }
        if let Err(reason) = result {
            self.end(reason);
        }
    }

    fn look_at_clock(&mut self) {
        let is_due = self.settings.idle_limit.is_some_and(|limit| self.used.elapsed() >= limit);
        if self.clients.programs() > 0 || (is_due && self.is_needed()) {
            self.used = Instant::now();
        } else if is_due {
            self.end("nothing was asked of it for a long time".to_owned());
        }
    }

    fn accept(&mut self) {
        while let Some(Ok((stream, _))) = self.listener.as_ref().map(|listener| listener.accept()) {
            if stream.set_nonblocking(true).is_ok() {
                self.clients.add(stream);
            }
        }
    }

    fn answer(&mut self, stream: UnixStream, bytes: &[u8; Hello::LEN]) {
        let Ok(Hello { wish }) = Hello::parse(bytes) else { return };
        if let Some(reason) = self.stranger(&stream, wish) {
            return self.refuse(&stream, &reason);
        }
        self.used = Instant::now();
        match wish {
            Wish::Status => self.tell_status(&stream),
            Wish::Stop => {
                self.ending = Some(Ending::Now);
                let _ = send_text(&stream, Verdict::Told, "stopped");
                // Its other end sees by the end of this connection that all is over.
                self.stoppers.push(stream);
            }
            Wish::Drain => {
                self.end("it is being stopped".to_owned());
                let _ = send_text(&stream, Verdict::Told, "draining");
            }
            Wish::Pool | Wish::Fork | Wish::Ready | Wish::Branch => self.start(stream, wish),
        }
    }

    /// Why the process that has connected must not be served.
    fn stranger(&self, stream: &UnixStream, wish: Wish) -> Option<String> {
        let Ok(peer) = Peer::of(stream.as_fd()) else { return Some("the client is gone".into()) };
        if peer.uid != rustix::process::geteuid().as_raw() {
            return Some("the client is another user's".to_owned());
        }
        let Ok(identity) = Identity::of(peer.pid) else {
            return Some("the client may not be looked at".to_owned());
        };
        if !peer.is_alive() {
            return Some("the client is gone".to_owned());
        }
        // What a process might do by signals as well needs no more than signals do.
        let ends = matches!(wish, Wish::Status | Wish::Stop | Wish::Drain);
        if ends && self.identity.differs_in_capabilities_alone(&identity) {
            return None;
        }
        let difference = self.identity.difference(&identity)?;
        Some(format!("the client has other rights than the template ({difference})"))
    }

    fn start(&mut self, stream: UnixStream, wish: Wish) {
        if self.template.is_gone() {
            return self.refuse(&stream, "the template is gone");
        }
        if wish == Wish::Pool && self.settings.spares == 0 {
            self.settings.spares = super::USUAL_SPARES;
        }
        let place = self.place_of_spare(wish);
        let is_forked = place.is_none() && wish != Wish::Ready;
        if is_forked {
            // The template forks while the inputs are compared; what nobody is given ends.
            self.order_for_client(wish);
        }
        if let Err(reason) = self.inputs.unchanged() {
            self.refuse(&stream, &reason);
            return self.end(reason);
        }
        match place {
            Some(place) => {
                let spare = self.spares.remove(place);
                self.grant(stream, spare);
            }
            None if is_forked => self.clients.wait(stream, wish),
            None => self.refuse(&stream, "no spare is ready"),
        }
        self.refill_soon();
    }

    /// The spare for a client: one that is ready, or else, where a fork would do as well, one that will be soon.
    fn place_of_spare(&self, wish: Wish) -> Option<usize> {
        let position = |is_fit: fn(&Spare) -> bool| self.spares.iter().position(is_fit);
        match wish {
            Wish::Ready => position(|spare| spare.ready),
            Wish::Pool => position(|spare| spare.ready).or_else(|| position(|_| true)),
            _ => None,
        }
    }

    /// Has a process forked for the client that waits longest, or gives it one that was ordered as a spare.
    fn order_for_client(&mut self, wish: Wish) {
        let coming = self.ordered.iter_mut().find(|(_, for_client)| !for_client);
        match coming.filter(|_| wish == Wish::Pool) {
            Some((_, for_client)) => *for_client = true,
            None => self.order(false),
        }
    }

    /// Gives a client its process.
    fn grant(&mut self, stream: UnixStream, spare: Spare) {
        let verdict = if spare.ready { Verdict::Ready } else { Verdict::Forked };
        let (pid, held) = (spare.pid, self.template.held());
        let answer = Answer { verdict, pid, held, text_len: 0 };
        // The template first: from the moment when the client has its process, its end must be noticed.
        if self.template.start(pid, stream.as_fd()).is_err() {
            return self.refuse(&stream, "the template is gone");
        }
        let descriptors = [spare.socket.as_fd(), spare.pidfd.as_fd()];
        // A client that is gone is noticed by the template.
        let _ = message::send(stream.as_fd(), &answer.to_bytes(), &descriptors);
        let Spare { ready, pidfd, .. } = spare;
        match ready {
            true => self.started_ready += 1,
            false => self.started_forked += 1,
        }
        self.clients.run(pid, pidfd, stream);
    }

    /// Gives another server a process for its template, with the files of the inputs that it rests on.
    fn grant_branch(&mut self, stream: UnixStream, spare: &Spare) {
        let Ok(peer) = Peer::of(stream.as_fd()) else { return };
        let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
        let pair = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None);
        let started = pair.and_then(|(life, its_end)| {
            self.template.start(spare.pid, its_end.as_fd()).map(|()| life).map_err(|_| Errno::PIPE)
        });
        let Ok(life) = started else { return self.refuse(&stream, "the template is gone") };
        let (pid, held) = (spare.pid, self.template.held());
        let answer = Answer { verdict: Verdict::Forked, pid, held, text_len: 0 };
        let mut descriptors = vec![spare.socket.as_fd(), spare.pidfd.as_fd()];
        descriptors.extend(self.inputs.files());
        let _ = message::send(stream.as_fd(), &answer.to_bytes(), &descriptors);
        self.branches.add(peer.pid, stream, life);
    }

    pub(super) fn refuse(&mut self, stream: &UnixStream, reason: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
        let _ = send_text(stream, Verdict::Refused, reason);
    }

    fn tell_status(&self, stream: &UnixStream) {
        let text = serde_json::to_string(&self.report()).unwrap_or_default();
        let _ = send_text(stream, Verdict::Told, &text);
    }

    fn hear_template(&mut self) {
        match self.template.hear() {
            Some((Word::Forked { pid }, pidfd)) => self.take_in(pid, pidfd),
            Some((Word::Of { pid, event }, _)) if event.is_end() => self.end_of(pid),
            Some(_) => {}
            None => {
                self.end("the template is gone".to_owned());
                self.reap();
                self.give_up_forsaken();
            }
        }
    }

    fn hear_guardian(&mut self) {
        match self.template.hear_guardian() {
            Some(Word::Of { pid, event }) => self.learn(pid, event),
            Some(Word::Forked { .. }) => {}
            None => self.give_up_forsaken(),
        }
    }

    /// Where nobody tells any more how programs end, they end now: their clients cannot stand for them.
    fn give_up_forsaken(&mut self) {
        if self.template.is_forsaken() {
            self.clients.kill_all();
        }
    }

    /// Takes in a process that was forked.
    fn take_in(&mut self, pid: u32, pidfd: Option<OwnedFd>) {
        if self.ordered.is_empty() {
            return;
        }
        let (socket, for_client) = self.ordered.remove(0);
        let spare = pidfd.map(|pidfd| Spare { pid, pidfd, socket, ready: false });
        match (for_client, spare) {
            (false, Some(spare)) => self.spares.push(spare),
            (false, None) => {}
            (true, spare) => match (self.clients.next_waiting(), spare) {
                (Some((client, Wish::Branch)), Some(spare)) => self.grant_branch(client, &spare),
                (Some((client, _)), Some(spare)) => self.grant(client, spare),
                (Some((client, _)), None) => self.refuse(&client, "the template cannot fork"),
                (None, _) => {}
            },
        }
    }

    /// A spare says that it is ready, or has ended. One that a client has been given a moment ago says it to the client.
    fn hear_spare(&mut self, pid: u32) {
        let Some(place) = self.spares.iter().position(|spare| spare.pid == pid) else { return };
        let mut byte = [0];
        let heard = message::receive(self.spares[place].socket.as_fd(), &mut byte);
        match heard.ok().flatten().and_then(|_| Reply::parse(byte[0]).ok()) {
            Some(Reply::Ready) => self.spares[place].ready = true,
            _ => {
                self.spares.remove(place);
                self.refill();
            }
        }
    }

    fn end_of(&mut self, pid: u32) {
        self.clients.end(pid);
        if self.refill_due.is_some() {
            self.refill();
        }
    }

    /// Where the template is gone, this process is the parent of what it had forked; and of templates that were forked from it, and what
    /// those leave behind.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(
            WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED,
        ) {
            let pid = pid.as_raw_pid() as u32;
            let Some(event) = Event::of_wait_status(status.as_raw()) else { continue };
            self.learn(pid, event);
        }
    }

    /// Something has happened to a process that the template does not tell. What it has told has no client any more; other servers may
    /// have one.
    fn learn(&mut self, pid: u32, event: Event) {
        match self.clients.of_program(pid) {
            Some(client) => {
                let _ = message::send(client.as_fd(), &event.to_bytes(), &[]);
            }
            None => self.branches.tell(pid, event),
        }
        if event.is_end() {
            self.end_of(pid);
        }
    }

    /// Where the template is gone, this process ends programs whose clients are gone.
    fn lose_client(&mut self, pid: u32) {
        self.clients.kill(pid);
        self.end_of(pid);
    }
}

fn send_text(stream: &UnixStream, verdict: Verdict, text: &str) -> io::Result<()> {
    let text = &text.as_bytes()[..text.len().min(glowplug_wire::MAX_TEXT as usize)];
    let answer = Answer { verdict, pid: 0, held: 0, text_len: text.len() as u32 };
    message::send(stream.as_fd(), &[&answer.to_bytes(), text].concat(), &[])
}
