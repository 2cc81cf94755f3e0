//! Helper processes: this test program again, running one function before `main`.

use procession_shm::family;
use procession_wire::{Body, Encoder, Kind, Packet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// Sends `value` to this same process.
pub fn roundtrip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    receive(send(value))
}

/// A message on its way: its bytes, and what goes beside them.
#[derive(Debug)]
pub struct Sent(pub Vec<u8>, pub Vec<OwnedFd>);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Body for Sent {}

impl Deref for Sent {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Sent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

/// Encodes `value` and passes on its claims.
pub fn send<T: Serialize + DeserializeOwned>(value: &T) -> Sent {
    let mut encoder = Encoder::new(Kind::VALUE);
    encoder.push(value).expect("the value is encoded");
    let (bytes, beside) = encoder.finish().deliver();
    Sent(bytes, beside)
}

/// Decodes what `send` made.
pub fn receive<T: DeserializeOwned>(sent: Sent) -> T {
    let packet = Packet::parse(sent.0, sent.1).expect("the packet is whole");
    packet.decode().expect("the value is decoded")
}

/// A helper process; killed and reaped when it is dropped.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What keeps what it was given for as long as it has said nothing.
    beside: Vec<OwnedFd>,
}

impl Helper {
    /// Starts the helper `name` and gives it `lines` to [`read`].
    pub fn start(name: &str, lines: &[String]) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program has a path"))
            .args([HELPER, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the helper starts");
        let mut stdin = child.stdin.take().expect("it has a stdin");
        for line in lines {
            writeln!(stdin, "{line}").expect("the helper reads");
        }
        let stdout = BufReader::new(child.stdout.take().expect("it has a stdout"));
        Self {
            child,
            stdin: Some(stdin),
            stdout,
            beside: Vec::new(),
        }
    }

    /// Starts a helper of this process's family and gives it `value` to [`arrive`].
    pub fn with<T: Serialize + DeserializeOwned>(name: &str, value: &T) -> Self {
        let family = family::current().expect("there is a family");
        let Sent(bytes, beside) = send(value);
        let lines = [family.id().to_owned(), hex(family.key()), hex(&bytes)];
        let mut helper = Self::start(name, &lines);
        helper.beside = beside;
        helper
    }

    /// Returns its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for what the helper says with [`say`].
    pub fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let len = self
                .stdout
                .read_line(&mut line)
                .expect("the helper writes text");
            assert_ne!(len, 0, "the helper ended without a word");
            if let Some((_, said)) = line.split_once(MARK) {
                self.beside.clear();
                return said.trim_end().to_owned();
            }
        }
    }

    /// Gives it one more line to [`read`].
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it was not let go");
        writeln!(stdin, "{line}").expect("the helper reads");
    }

    /// Lets a helper go on that waits in [`wait_for_end`].
    pub fn let_go(&mut self) {
        self.stdin = None;
    }

    /// Kills and reaps it.
    pub fn kill9(&mut self) {
        crate::kill9(self.pid());
        self.child.wait().expect("the helper is reaped");
    }

    /// Waits until the helper has ended by itself.
    pub fn end(mut self) -> ExitStatus {
        self.let_go();
        self.child.wait().expect("the helper is reaped")
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MARK: &str = "@@";
const HELPER: &str = "--helper";

/// Names the functions of this file that a [`Helper`] can be started for.
#[macro_export]
macro_rules! helpers {
    ($($name:ident),* $(,)?) => {
        const _: () = {
            extern "C" fn before_main() {
                $crate::helper::be_a_helper(&[$((stringify!($name), $name)),*]);
            }
            // SAFETY: the loader calls each entry of this section once, with C's convention.
            #[used]
            #[unsafe(link_section = ".init_array")]
            static BEFORE_MAIN: extern "C" fn() = before_main;
        };
    };
}

/// Runs the helper that this process was started for, if it was, and exits.
#[expect(clippy::exit, reason = "a helper must not go on into the tests")]
pub fn be_a_helper(helpers: &[(&str, fn())]) {
    let args: Vec<String> = env::args().collect();
    let [_, marker, wanted] = args.as_slice() else {
        return;
    };
    if marker != HELPER {
        return;
    }
    let (_, helper) = helpers
        .iter()
        .find(|(name, _)| name == wanted)
        .expect("a known helper");
    let ran = std::panic::catch_unwind(helper);
    std::process::exit(if ran.is_ok() { 0 } else { 101 });
}

/// In a helper: tells the test something.
#[expect(clippy::print_stdout, reason = "the test reads it")]
pub fn say(what: &str) {
    println!("{MARK}{what}");
}

/// In a helper: reads a line that it was started with; `None` if nobody is there to start it.
pub fn read() -> Option<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .expect("the test writes text");
    let line = line.trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}

/// In a helper: joins the family of the test and decodes what it was given.
pub fn arrive<T: DeserializeOwned>() -> Option<T> {
    adopt()?;
    Some(receive(Sent(unhex(&read()?), Vec::new())))
}

/// In a helper: joins the family whose id and key it was given.
pub fn adopt() -> Option<()> {
    let (id, key) = (read()?, unhex(&read()?));
    let key = key.try_into().expect("a key has 32 bytes");
    family::adopt(&id, key).expect("the family lives");
    Some(())
}

/// In a helper: waits until it is let go or killed.
pub fn wait_for_end() {
    while read().is_some() {}
}

/// Returns `bytes` as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Returns what [`hex`] was made of.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let digits = digits.map(|pair| str::from_utf8(pair).expect("hexadecimal digits"));
    digits
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits"))
        .collect()
}
