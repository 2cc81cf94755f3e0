//! The checks of the demos whose output differs from run to run.
//!
//! Each takes the lines and returns what was expected where they are not right.

use std::collections::{BTreeMap, BTreeSet};

use super::expect::exactly;

/// Accepts two whole blocks: whoever comes first finds 1 to 4 and negates them, the other
/// negates them back.
pub(super) fn shared_array(lines: &[&str]) -> Result<(), String> {
    let expected = |first: &str, second: &str| -> Vec<String> {
        let there = (1..5).map(|n| format!("{first} process: -{n}"));
        let back = (1..5).map(|n| format!("{second} process: {n}"));
        there
            .chain(back)
            .chain(["parent: [1, 2, 3, 4]".to_owned()])
            .collect()
    };
    let ai_is_first = lines.first().is_some_and(|line| line.starts_with("ai "));
    let names = if ai_is_first {
        ("ai", "khanh")
    } else {
        ("khanh", "ai")
    };
    let expected = expected(names.0, names.1);
    exactly(
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        lines,
    )
}

/// Accepts `Done`, `50` and a set of fifty pairs, numbered from 0 and sorted.
pub(super) fn custom_set(lines: &[&str]) -> Result<(), String> {
    let [head @ .., set] = lines else {
        return Err("expected `Done`, `50` and the set, found nothing".to_owned());
    };
    exactly(&["Done", "50"], head)?;
    let pairs = pairs(set).ok_or_else(|| {
        format!("expected the set as `{{(0, v), (1, v), ...}}` with v from 0 to 999, found `{set}`")
    })?;
    let numbers: Vec<u32> = pairs.iter().map(|(number, _)| *number).collect();
    if numbers == (0..50).collect::<Vec<u32>>() {
        return Ok(());
    }
    Err(format!(
        "expected the numbers 0 to 49 once each and in order, found {numbers:?}"
    ))
}

/// Reads `{(0, 17), (1, 999)}`; `None` if it is anything else, down to the last space.
fn pairs(set: &str) -> Option<Vec<(u32, u32)>> {
    let inside = set.strip_prefix("{(")?.strip_suffix(")}")?;
    inside
        .split("), (")
        .map(|pair| {
            let (number, value) = pair.split_once(", ")?;
            let value = decimal(value).filter(|value| *value <= 999)?;
            Some((decimal(number)?, value))
        })
        .collect()
}

/// Reads a number as Rust and Python print it: no sign, no leading zero.
fn decimal(text: &str) -> Option<u32> {
    text.parse()
        .ok()
        .filter(|number: &u32| number.to_string() == text)
}

/// Accepts the contents of the list and the dict, then some error after the shutdown.
pub(super) fn manager_basics(lines: &[&str]) -> Result<(), String> {
    let [contents @ .., error] = lines else {
        return Err("expected three lines, found nothing".to_owned());
    };
    exactly(&["[1, 2, 3, 4]", "{'a': 1, 'b': 2}"], contents)?;
    match error.strip_prefix("after shutdown: ").map(str::trim) {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(format!(
            "expected `after shutdown: ` and an error, found `{error}`"
        )),
    }
}

/// Accepts `Process <pid> popped` 2, 3 and 4 by three processes, then the end.
pub(super) fn manager_queue(lines: &[&str]) -> Result<(), String> {
    let pids: Vec<u32> = lines.iter().filter_map(|line| popping_pid(line)).collect();
    let pid = |index: usize| {
        pids.get(index)
            .map_or_else(|| "<pid>".to_owned(), u32::to_string)
    };
    let mut expected: Vec<String> = (0..3)
        .map(|index| format!("Process {} popped {}", pid(index), index + 2))
        .collect();
    expected.push("all tasks done".to_owned());
    exactly(
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        lines,
    )?;
    if pids.iter().collect::<BTreeSet<_>>().len() == 3 {
        return Ok(());
    }
    Err(format!(
        "expected three different processes, found {pids:?}"
    ))
}

/// Returns the pid in `Process <pid> popped ...`.
fn popping_pid(line: &str) -> Option<u32> {
    let (pid, _) = line.strip_prefix("Process ")?.split_once(" popped ")?;
    decimal(pid).filter(|pid| *pid > 0)
}

/// Accepts ten whole records: each of 2 to 6 is announced and then done by one pool worker.
pub(super) fn pool_log(lines: &[&str]) -> Result<(), String> {
    let mut messages = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let (worker, message) = record(line).ok_or_else(|| {
            format!(
                "line {}: expected `PoolWorker-N YYYY-MM-DD hh:mm:ss,mmm:INFO:message` \
                 with N from 1 to 4, found `{line}`",
                place + 1
            )
        })?;
        if messages.insert(message, (worker, place)).is_some() {
            return Err(format!(
                "expected every message once, found `{message}` again"
            ));
        }
    }
    for n in 2..7 {
        doubled_by_one_worker(n, &messages)?;
    }
    match lines.len() {
        10 => Ok(()),
        other => Err(format!("expected ten lines, found {other}")),
    }
}

/// Accepts that one worker announced the number and later was done with it.
fn doubled_by_one_worker(n: u32, messages: &BTreeMap<&str, (&str, usize)>) -> Result<(), String> {
    let find = |message: String| {
        messages
            .get(message.as_str())
            .ok_or(format!("expected the message `{message}`, not found"))
    };
    let (announced, done) = (
        find(format!("doubling {n}"))?,
        find(format!("doubled {n}"))?,
    );
    if announced.0 == done.0 && announced.1 < done.1 {
        return Ok(());
    }
    Err(format!(
        "expected `doubling {n}` before `doubled {n}`, both by the same worker"
    ))
}

/// Splits a record into the worker's name and the message.
fn record(line: &str) -> Option<(&str, &str)> {
    let (worker, rest) = line.split_once(' ')?;
    let number: u32 = decimal(worker.strip_prefix("PoolWorker-")?)?;
    let (time, message) = rest.trim_start_matches(' ').split_once(":INFO:")?;
    let whole = (1..=4).contains(&number) && is_time(time) && !message.is_empty();
    whole.then_some((worker, message))
}

/// Tells whether the text is a time as Python's `logging` writes it.
fn is_time(text: &str) -> bool {
    let shape = "0000-00-00 00:00:00,000";
    text.len() == shape.len()
        && text
            .chars()
            .zip(shape.chars())
            .all(|(found, expected)| match expected {
                '0' => found.is_ascii_digit(),
                other => found == other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(check: fn(&[&str]) -> Result<(), String>, text: &str) -> Result<(), String> {
        check(&text.lines().collect::<Vec<_>>())
    }

    fn block(who: &str, sign: &str) -> String {
        [1, 2, 3, 4]
            .map(|n| {
                format!(
                    "{who} process: {sign}{n}
"
                )
            })
            .concat()
    }

    #[test]
    fn the_shared_array_is_negated_and_negated_back() {
        let parent = "parent: [1, 2, 3, 4]\n";
        let good = |first, second| format!("{}{}{parent}", block(first, "-"), block(second, ""));
        check(shared_array, &good("khanh", "ai")).unwrap();
        check(shared_array, &good("ai", "khanh")).unwrap();
        assert!(check(shared_array, &good("ai", "ai")).is_err());
        let unshared = format!("{}{}{parent}", block("khanh", "-"), block("ai", "-"));
        assert!(check(shared_array, &unshared).is_err());
        let backwards = format!("{}{}{parent}", block("khanh", ""), block("ai", "-"));
        assert!(check(shared_array, &backwards).is_err());
    }

    #[test]
    fn the_shared_array_is_not_interleaved() {
        let (khanh, ai) = (block("khanh", "-"), block("ai", ""));
        let pairs = khanh.lines().zip(ai.lines());
        let woven: Vec<&str> = pairs.flat_map(|(k, a)| [k, a]).collect();
        assert!(shared_array(&[&woven[..], &["parent: [1, 2, 3, 4]"]].concat()).is_err());
        assert!(check(shared_array, "").is_err());
    }

    fn set(numbers: impl Iterator<Item = u32>, value: &str) -> String {
        let pairs: Vec<String> = numbers.map(|n| format!("({n}, {value})")).collect();
        format!("Done\n50\n{{{}}}\n", pairs.join(", "))
    }

    #[test]
    fn the_set_has_every_number_once() {
        check(custom_set, &set(0..50, "999")).unwrap();
        assert!(check(custom_set, &set(0..49, "0")).is_err());
        assert!(check(custom_set, &set((0..50).rev(), "0")).is_err());
        assert!(check(custom_set, &set((0..49).chain([48]), "0")).is_err());
        assert!(check(custom_set, &set(0..50, "1000")).is_err());
        assert!(check(custom_set, &set(0..50, "-1")).is_err());
        assert!(check(custom_set, "Done\n50\n").is_err());
        assert!(check(custom_set, &set(0..50, "1").replace("Done", "done")).is_err());
        assert!(check(custom_set, &set(0..50, "1").replace("), (", "),(")).is_err());
        assert!(check(custom_set, "").is_err());
    }

    #[test]
    fn a_call_after_the_shutdown_is_an_error() {
        let contents = "[1, 2, 3, 4]\n{'a': 1, 'b': 2}\n";
        check(
            manager_basics,
            &format!("{contents}after shutdown: it is gone\n"),
        )
        .unwrap();
        assert!(check(manager_basics, &format!("{contents}after shutdown: \n")).is_err());
        assert!(check(manager_basics, contents).is_err());
        assert!(check(manager_basics, "after shutdown: it is gone\n").is_err());
        assert!(check(manager_basics, "").is_err());
    }

    #[test]
    fn three_processes_pop_one_item_each() {
        let popped = |pids: [u32; 3], items: [u32; 3]| {
            let lines = pids
                .iter()
                .zip(items)
                .map(|(p, i)| format!("Process {p} popped {i}\n"));
            lines
                .chain(["all tasks done\n".to_owned()])
                .collect::<String>()
        };
        check(manager_queue, &popped([7, 8, 9], [2, 3, 4])).unwrap();
        assert!(check(manager_queue, &popped([7, 8, 7], [2, 3, 4])).is_err());
        assert!(check(manager_queue, &popped([7, 8, 9], [3, 2, 4])).is_err());
        assert!(check(manager_queue, &popped([0, 8, 9], [2, 3, 4])).is_err());
        let unfinished = popped([7, 8, 9], [2, 3, 4]).replace("all tasks done\n", "");
        assert!(
            check(manager_queue, &unfinished)
                .unwrap_err()
                .contains("all tasks done")
        );
        assert!(check(manager_queue, "").is_err());
    }

    fn log() -> Vec<String> {
        let time = "2024-05-06 07:08:09,010:INFO";
        (2..7)
            .flat_map(|n| {
                let worker = n % 4 + 1;
                ["doubling", "doubled"].map(|verb| format!("PoolWorker-{worker} {time}:{verb} {n}"))
            })
            .collect()
    }

    #[test]
    fn the_log_has_ten_whole_records_in_any_order() {
        let good = log();
        check(pool_log, &good.join("\n")).unwrap();
        let mut moved = good.clone();
        moved.rotate_left(2);
        check(pool_log, &moved.join("\n")).unwrap();
        assert!(check(pool_log, &good[..9].join("\n")).is_err());
        assert!(check(pool_log, &[&good[..], &good[..1]].concat().join("\n")).is_err());
        assert!(check(pool_log, "").is_err());
    }

    #[test]
    fn a_record_that_is_not_whole_is_refused() {
        for (part, instead) in [
            ("PoolWorker-3 ", "MainProcess "),
            ("PoolWorker-3 ", "PoolWorker-5 "),
            ("PoolWorker-3 ", "PoolWorker-3"),
            ("09,010", "09.010"),
            (":INFO:", ":DEBUG:"),
            ("doubling 2", "doubling 7"),
            ("doubling 2", ""),
            (
                "doubling 2",
                "doubling 2PoolWorker-3 2024-05-06 07:08:09,010:INFO:doubled 2",
            ),
        ] {
            let bad = log().join("\n").replacen(part, instead, 1);
            assert!(
                check(pool_log, &bad).is_err(),
                "{instead} for {part} was accepted"
            );
        }
    }

    #[test]
    fn a_number_is_doubled_by_the_worker_that_announced_it() {
        let mut backwards = log();
        backwards.swap(0, 1);
        assert!(
            check(pool_log, &backwards.join("\n"))
                .unwrap_err()
                .contains("before")
        );
        let stolen = log().join("\n").replacen("PoolWorker-3", "PoolWorker-1", 1);
        assert!(
            check(pool_log, &stolen)
                .unwrap_err()
                .contains("same worker")
        );
    }
}
