//! Which records are written: what a filter's text means.
//!
//! ```text
//! filter    = [ directive { "," directive } ]
//! directive = level | [ "[" process "]" ] [ target ] "=" level
//! ```

use crate::error::FilterError;
use log::LevelFilter;
use std::fmt;
use std::str::FromStr;

/// The level of what no directive is for, as in Python.
pub(crate) const USUAL: LevelFilter = LevelFilter::Warn;

/// A filter that was read and found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// For what no rule is for.
    pub(crate) level: LevelFilter,
    pub(crate) rules: Vec<Rule>,
}

/// The level of some processes, some targets, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    process: Option<String>,
    target: Option<String>,
    level: LevelFilter,
}

impl Default for Filter {
    fn default() -> Self {
        let level = USUAL;
        let rules = Vec::new();
        Self { level, rules }
    }
}

impl Filter {
    /// Returns the least severe level that anything has, anywhere.
    pub(crate) fn least(&self) -> LevelFilter {
        let levels = self.rules.iter().map(|rule| rule.level);
        levels.fold(self.level, Ord::max)
    }

    /// Returns what is left of it in a process.
    pub(crate) fn in_process(&self, name: &str) -> Here {
        let mine = |rule: &&Rule| rule.process.as_deref().is_none_or(|it| matches(it, name));
        let mut rules: Vec<&Rule> = self.rules.iter().filter(mine).collect();
        // The first that is for a target counts: the most specific, and the last among equals.
        rules.reverse();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.rank()));
        let pair = |rule: &&Rule| (rule.target.clone().unwrap_or_default(), rule.level);
        Here {
            level: self.level,
            rules: rules.iter().map(pair).collect(),
        }
    }
}

impl Rule {
    /// A rule for a process comes before one for all, then the longer target.
    fn rank(&self) -> (bool, usize) {
        let target = self.target.as_ref().map_or(0, String::len);
        (self.process.is_some(), target)
    }
}

/// A filter as it is for one process.
#[derive(Debug)]
pub(crate) struct Here {
    level: LevelFilter,
    /// Targets, of which an empty one stands for all.
    rules: Vec<(String, LevelFilter)>,
}

impl Here {
    /// Returns the level of a target.
    pub(crate) fn level(&self, target: &str) -> LevelFilter {
        let rule = (self.rules.iter()).find(|(of, _)| of.is_empty() || is_within(target, of));
        rule.map_or(self.level, |(_, level)| *level)
    }
}

/// Returns whether a target is this one or lies below it.
fn is_within(target: &str, of: &str) -> bool {
    let rest = target.strip_prefix(of);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Compares a name with a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    let mut ends = (0..=name.len()).filter(|&at| name.is_char_boundary(at));
    ends.any(|at| matches(rest, &name[at..]))
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        let directives = text.split(',').map(str::trim);
        for directive in directives.filter(|directive| !directive.is_empty()) {
            let (whose, level) = directive.rsplit_once('=').unwrap_or(("", directive));
            let parsed = level.trim().parse();
            let level = parsed.map_err(|_| FilterError::Level(directive.to_owned()))?;
            if !directive.contains('=') {
                filter.level = level;
                continue;
            }
            filter.rules.push(rule(whose.trim(), level, directive)?);
        }
        Ok(filter)
    }
}

/// Reads what stands before the level.
fn rule(whose: &str, level: LevelFilter, directive: &str) -> Result<Rule, FilterError> {
    let wrong = || FilterError::Directive(directive.to_owned());
    let (process, target) = match whose.strip_prefix('[') {
        Some(rest) => {
            let (process, target) = rest.split_once(']').ok_or_else(wrong)?;
            (Some(process.to_owned()), target.trim())
        }
        None => (None, whose),
    };
    let strange = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | '=');
    if target.contains(strange) || (process.is_none() && target.is_empty()) {
        return Err(wrong());
    }
    Ok(Rule {
        process,
        target: (!target.is_empty()).then(|| target.to_owned()),
        level,
    })
}

/// Shows the filter as it can be read again.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level.as_str().to_ascii_lowercase())?;
        for rule in &self.rules {
            write!(f, ",")?;
            if let Some(process) = &rule.process {
                write!(f, "[{process}]")?;
            }
            let target = rule.target.as_deref().unwrap_or_default();
            write!(f, "{target}={}", rule.level.as_str().to_ascii_lowercase())?;
        }
        Ok(())
    }
}
