//! What a manager that other programs connect to, and those programs, both know: the types.
//!
//! The server is `src/remote/server.rs`. A client is compiled from other sources, on another day and for
//! another machine perhaps; what the two have in common is this module.

use anyhow::{Context, Result};
use procession::manager::List;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much there is of an article, and what one costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Article {
    /// How many there are.
    pub count: u32,
    /// What one costs.
    pub price: f64,
}

/// The articles in a store.
#[derive(Debug, Default)]
pub struct Stock {
    articles: BTreeMap<String, Article>,
    /// What was sold, for all to see.
    sold: Option<List<String>>,
}

impl Stock {
    /// An empty store that notes what it sells.
    pub fn new(sold: List<String>) -> Self {
        Self {
            articles: BTreeMap::new(),
            sold: Some(sold),
        }
    }
}

#[procession::shared]
impl Stock {
    /// Adds an article.
    pub fn add(&mut self, name: &str, article: Article) {
        self.articles.insert(name.to_owned(), article);
    }

    /// Takes some out; returns what they cost.
    pub fn sell(&mut self, name: &str, count: u32) -> Result<f64> {
        let article = self.articles.get_mut(name);
        let article = article.with_context(|| format!("there is no {name}"))?;
        let left = article.count.checked_sub(count);
        article.count = left.with_context(|| format!("there are only {}", article.count))?;
        if let Some(sold) = &self.sold {
            sold.append(name.to_owned())?;
        }
        Ok(f64::from(count) * article.price)
    }

    /// What there is of an article.
    pub fn article(&self, name: &str) -> Option<Article> {
        self.articles.get(name).cloned()
    }

    /// The list of what was sold.
    pub fn sold(&self) -> Option<List<String>> {
        self.sold.clone()
    }

    /// Notes what is sold in another list from now on.
    pub fn sell_into(&mut self, sold: List<String>) {
        self.sold = Some(sold);
    }
}
