//! What a pool is doing, in numbers.

use std::fmt;
use std::fs;
use std::time::Duration;

/// What a pool is doing, and has done; from [`Pool::stats`](crate::Pool::stats).
///
/// It prints as a table, of which each line but the first is a worker's.
///
/// All of it is of one moment, except that workers go on meanwhile: what a worker has begun since, or has done and
/// not told of, may be missing. Once all results are there, the numbers are exact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many calls were accepted and no worker has begun.
    pub queued: usize,
    /// How many calls have an outcome.
    pub done: u64,
    /// How many of them failed: the task panicked or returned an error, or its arguments or result could not be
    /// read or sent.
    pub failed: u64,
    /// How many calls ended without an outcome: a worker ended while it ran them, they were cancelled or not done
    /// in time, or the pool ended.
    pub lost: u64,
    /// How many calls were run again, [after a worker had died](crate::PoolBuilder::retries) while it ran them.
    pub retried: u64,
    /// How many workers took the place of others.
    pub restarted: u64,
    /// How many bytes of arguments workers were sent.
    pub bytes_sent: u64,
    /// How many bytes of outcomes came from workers.
    pub bytes_received: u64,
    /// The workers that there are.
    pub workers: Vec<WorkerStats>,
}

/// What a worker is doing, and has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its process number.
    pub pid: u32,
    /// The name of its process.
    pub name: String,
    /// How far it is in its life.
    pub state: WorkerState,
    /// What it is running.
    pub task: Option<RunningTask>,
    /// How many calls it was sent and has not begun.
    pub waiting: usize,
    /// How many of its calls have an outcome.
    pub done: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Its memory in bytes; of what it shares with other processes, a part (`Pss` of proc(5)). `None` if the system
    /// does not say.
    pub memory: Option<u64>,
    /// How long it took from its start until it could be asked, the initializer excepted; `None` if it cannot be
    /// asked yet.
    pub starting: Option<Duration>,
    /// How long its [initializer](crate::PoolBuilder::initializer), or what makes its
    /// [state](crate::PoolBuilder::state), took; `None` without one.
    pub initializer: Option<Duration>,
    /// How long it has run tasks; `None` without [`insights`](crate::PoolBuilder::insights) and without
    /// [`task_timeout`](crate::PoolBuilder::task_timeout).
    pub working: Option<Duration>,
    /// How long it has run none since it could be asked; `None` where `working` is.
    pub idle: Option<Duration>,
}

/// How far a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It cannot be asked yet.
    Starting,
    /// It has nothing to do.
    Idle,
    /// It runs a task.
    Working,
    /// A signal has stopped it.
    Stopped,
    /// It was told to end, was killed, or has closed its connection.
    Ending,
}

/// A task that a worker is running.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningTask {
    /// The function, by the name that the compiler gives it.
    pub task: &'static str,
    /// The index of the item, if it is one of several.
    pub item: Option<usize>,
    /// How long it has been running; `None` without [`insights`](crate::PoolBuilder::insights) and without
    /// [`task_timeout`](crate::PoolBuilder::task_timeout).
    pub age: Option<Duration>,
}

impl PoolStats {
    /// Returns how many calls workers are running.
    pub fn running(&self) -> usize {
        self.workers
            .iter()
            .filter(|worker| worker.task.is_some())
            .count()
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Stopped => "stopped",
            Self::Ending => "ending",
        })
    }
}

impl fmt::Display for RunningTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.task)?;
        if let Some(item) = self.item {
            write!(f, ", item {item}")?;
        }
        match self.age {
            Some(age) => write!(f, ", for {}", Span(age)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (queued, running, done) = (self.queued, self.running(), self.done);
        write!(f, "{queued} calls queued, {running} running, {done} done")?;
        for (count, what) in [
            (self.failed, "of them failed"),
            (self.lost, "lost"),
            (self.retried, "run again"),
            (self.restarted, "workers restarted"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        let (sent, received) = (Bytes(self.bytes_sent), Bytes(self.bytes_received));
        writeln!(f, "; {sent} sent, {received} received")?;
        writeln!(
            f,
            "{:>8} {:<8} {:>9} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}  task",
            "pid",
            "state",
            "done",
            "failed",
            "waiting",
            "memory",
            "starting",
            "init",
            "working",
            "idle"
        )?;
        self.workers
            .iter()
            .try_for_each(|worker| writeln!(f, "{worker}"))
    }
}

impl fmt::Display for WorkerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |span: Option<Duration>| span.map_or_else(dash, |span| Span(span).to_string());
        let memory = self
            .memory
            .map_or_else(dash, |bytes| Bytes(bytes).to_string());
        write!(
            f,
            "{:>8} {:<8} {:>9} {:>7} {:>7} {memory:>9} {:>9} {:>9} {:>9} {:>9}  ",
            self.pid,
            self.state,
            self.done,
            self.failed,
            self.waiting,
            span(self.starting),
            span(self.initializer),
            span(self.working),
            span(self.idle),
        )?;
        match &self.task {
            Some(task) => task.fmt(f),
            None => f.write_str("-"),
        }
    }
}

fn dash() -> String {
    "-".to_owned()
}

/// Returns a process's share of memory: `Pss`, as the kernel counts it.
pub(crate) fn share_of_memory(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// A number of bytes as people read it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB"];
        let larger = (1..)
            .zip(units)
            .take_while(|(power, _)| self.0 >> (10 * power) > 0);
        match larger.last() {
            None => write!(f, "{} B", self.0),
            Some((power, unit)) => {
                let tenths = (u128::from(self.0) * 10) >> (10 * power);
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
        }
    }
}

/// A time as people read it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            0.0..1e-3 => write!(f, "{:.1} us", seconds * 1e6),
            1e-3..1.0 => write!(f, "{:.1} ms", seconds * 1e3),
            1.0..100.0 => write!(f, "{seconds:.1} s"),
            _ => write!(f, "{seconds:.0} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let bytes = [0, 1023, 1024, 1536, 5 << 20, 3 << 30, u64::MAX];
        let words = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 KiB",
            "5.0 MiB",
            "3.0 GiB",
            "16777215.9 TiB",
        ];
        assert_eq!(bytes.map(|bytes| Bytes(bytes).to_string()), words);
        let nanos = [500, 1_500, 2_500_000, 3_500_000_000, 100_000_000_000];
        let words = ["0.5 us", "1.5 us", "2.5 ms", "3.5 s", "100 s"];
        assert_eq!(
            nanos.map(|nanos| Span(Duration::from_nanos(nanos)).to_string()),
            words
        );
    }
}
