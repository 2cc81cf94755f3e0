//! The demos: their names, and what must be seen of each.
//!
//! What a demo teaches is not here: it is the first line of the demo's own documentation.

use super::custom;
use super::expect::Expect;
use super::run::Seen;

/// One tutorial program and what is promised of it.
pub(super) struct Demo {
    /// The name of the program, and of its source file.
    pub(super) name: &'static str,
    /// What it prints on standard output.
    prints: Expect,
    /// The files it leaves in its directory, and what they hold.
    writes: &'static [(&'static str, Expect)],
    /// Whether it may write to standard error; where not, it must be silent there.
    may_complain: bool,
}

impl Demo {
    const fn new(name: &'static str, prints: Expect) -> Self {
        Self {
            name,
            prints,
            writes: &[],
            may_complain: false,
        }
    }

    /// Returns everything in which the demo did not do what was promised.
    pub(super) fn problems(&self, seen: &Seen) -> Vec<String> {
        let mut problems: Vec<String> = seen.ending_problem().into_iter().collect();
        problems.extend(self.prints.check(&seen.stdout).err());
        if !self.may_complain && !seen.stderr.is_empty() {
            problems.push("it wrote to standard error, which should be empty".to_owned());
        }
        for (name, expect) in self.writes {
            let content = seen
                .files
                .get(*name)
                .ok_or_else(|| "was not written".to_owned());
            let checked = content.and_then(|content| expect.check(content));
            problems.extend(checked.err().map(|why| format!("the file {name}: {why}")));
        }
        let promised = |name: &str| self.writes.iter().any(|(promised, _)| *promised == name);
        for name in seen.entries.iter().filter(|name| !promised(name)) {
            problems.push(format!("it left `{name}` in its directory"));
        }
        problems.extend_from_slice(&seen.leftovers);
        problems
    }
}

/// Every demo, in the order of the tutorial.
pub(super) const DEMOS: &[Demo] = &[
    Demo::new("unshared_list", UNSHARED_LIST),
    Demo::new("shared_array", Expect::By(custom::shared_array)),
    Demo::new("manager_dict_list", MANAGER_DICT_LIST),
    Demo::new("manager_types", MANAGER_TYPES),
    Demo::new("custom_manager", Expect::Lines(&["7", "56"])),
    Demo::new("custom_set", Expect::By(custom::custom_set)),
    Demo::new("anonymous_pipe", ANONYMOUS_PIPE),
    Demo::new("two_pipes", TWO_PIPES),
    Demo::new("named_pipe", NAMED_PIPE),
    Demo::new("duplex_pipe", DUPLEX_PIPE),
    Demo::new("raw_pipe", Expect::Lines(&["hello"])),
    Demo {
        may_complain: true,
        ..Demo::new("exception_through_pipe", EXCEPTION_THROUGH_PIPE)
    },
    Demo::new("manager_basics", Expect::By(custom::manager_basics)),
    Demo::new("manager_queue", Expect::By(custom::manager_queue)),
    Demo {
        writes: &[("myapp.log", Expect::By(custom::pool_log))],
        ..Demo::new("pool_logging", Expect::Lines(&["[4, 6, 8, 10, 12]"]))
    },
];

const UNSHARED_LIST: Expect = Expect::Blocks {
    blocks: [
        &[
            "khanh process: -1",
            "khanh process: -2",
            "khanh process: -3",
            "khanh process: -4",
        ],
        &[
            "ai process: -1",
            "ai process: -2",
            "ai process: -3",
            "ai process: -4",
        ],
    ],
    last: &["parent: [1, 2, 3, 4]"],
};

const MANAGER_DICT_LIST: Expect = Expect::Lines(&[
    "{1: '1', '2': 2, 0.25: None}",
    "[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]",
]);

const MANAGER_TYPES: Expect = Expect::Lines(&[
    "list: 2 processes appended 200 items",
    "dict: 2 processes counted to 200",
    "Namespace: x = 10, y = hello",
    "Lock: a counter under the lock is exactly 200",
    "RLock: acquired twice by each of 2 processes",
    "Semaphore: at most 2 of 4 processes inside",
    "BoundedSemaphore: releasing once too often is refused",
    "Condition: 2 waiters woken",
    "Event: 2 waiters saw it set",
    "Barrier: 3 processes passed, one was the leader",
    "Queue: 2 producers, 2 consumers, 100 items, each once",
    "Value: exactly 200",
    "Array: [100, 100]",
]);

const ANONYMOUS_PIPE: Expect = Expect::Lines(&["child: writing", "parent: My name is Elliot"]);

const TWO_PIPES: Expect =
    Expect::Lines(&["child was asked: what is 6 times 7?", "parent was told: 42"]);

const NAMED_PIPE: Expect = Expect::Woven {
    ordered: &[
        "reader: first conversation",
        "still there: true",
        "reader: second conversation",
        "removed: true",
    ],
    anywhere: &["writer: done", "writer: done"],
};

const DUPLEX_PIPE: Expect = Expect::Lines(&[
    "child received: hello",
    "parent received: hi",
    "parent received: Point { x: 3, y: 4 }",
]);

const EXCEPTION_THROUGH_PIPE: Expect = Expect::Lines(&[
    "through the pipe: InsufficientFunds: balance 10 is below 25",
    "through join: InsufficientFunds: balance 10 is below 25",
]);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn demo(name: &str) -> &'static Demo {
        DEMOS.iter().find(|demo| demo.name == name).unwrap()
    }

    fn prints(name: &str, text: &str) -> bool {
        demo(name).prints.check(text).is_ok()
    }

    fn negated(who: &str) -> String {
        [1, 2, 3, 4]
            .map(|n| {
                format!(
                    "{who} process: -{n}
"
                )
            })
            .concat()
    }

    #[test]
    fn there_are_fifteen_names() {
        let names: BTreeSet<&str> = DEMOS.iter().map(|demo| demo.name).collect();
        assert_eq!((DEMOS.len(), names.len()), (15, 15));
    }

    #[test]
    fn the_unshared_list_is_negated_twice_under_a_lock() {
        let (khanh, ai, parent) = (negated("khanh"), negated("ai"), "parent: [1, 2, 3, 4]\n");
        assert!(prints("unshared_list", &format!("{khanh}{ai}{parent}")));
        assert!(prints("unshared_list", &format!("{ai}{khanh}{parent}")));
        assert!(!prints("unshared_list", &format!("{khanh}{khanh}{parent}")));
        assert!(!prints("unshared_list", &format!("{khanh}{ai}")));
        let pairs = khanh.lines().zip(ai.lines());
        let woven: Vec<&str> = pairs.flat_map(|(k, a)| [k, a]).collect();
        assert!(!prints(
            "unshared_list",
            &format!("{}\n{parent}", woven.join("\n"))
        ));
    }

    #[test]
    fn the_named_pipe_is_used_twice() {
        let [first, still, second, removed] = [
            "reader: first conversation\n",
            "still there: true\n",
            "reader: second conversation\n",
            "removed: true\n",
        ];
        let done = "writer: done\n";
        assert!(prints(
            "named_pipe",
            &format!("{done}{first}{still}{second}{done}{removed}")
        ));
        assert!(!prints(
            "named_pipe",
            &format!("{first}{still}{second}{done}{removed}")
        ));
        assert!(!prints(
            "named_pipe",
            &format!("{second}{still}{first}{done}{done}{removed}")
        ));
        let gone = "still there: false\n";
        assert!(!prints(
            "named_pipe",
            &format!("{first}{gone}{second}{done}{done}{removed}")
        ));
    }

    #[test]
    fn order_matters_where_it_is_promised() {
        assert!(prints(
            "anonymous_pipe",
            "child: writing\nparent: My name is Elliot\n"
        ));
        assert!(!prints(
            "anonymous_pipe",
            "parent: My name is Elliot\nchild: writing\n"
        ));
        assert!(prints("custom_manager", "7\n56\n"));
        assert!(!prints("custom_manager", "56\n7\n"));
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let seen = Seen {
            stdout: "helo\n".to_owned(),
            stderr: "oops\n".to_owned(),
            entries: vec!["core".to_owned()],
            leftovers: vec!["a process".to_owned()],
            ..Seen::default()
        };
        let problems = demo("raw_pipe").problems(&seen);
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn what_is_promised_is_no_problem() {
        let seen = Seen {
            stdout: "hello\n".to_owned(),
            ..Seen::default()
        };
        assert!(demo("raw_pipe").problems(&seen).is_empty());
    }

    #[test]
    fn a_promised_file_must_be_there_and_right() {
        let mut seen = Seen {
            stdout: "[4, 6, 8, 10, 12]\n".to_owned(),
            ..Seen::default()
        };
        let missing = demo("pool_logging").problems(&seen);
        assert_eq!(missing, ["the file myapp.log: was not written"]);
        seen.entries.push("myapp.log".to_owned());
        seen.files
            .insert("myapp.log".to_owned(), "something else\n".to_owned());
        let wrong = demo("pool_logging").problems(&seen);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }
}
