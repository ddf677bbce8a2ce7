//! How much of a client's traffic retries may be: [`RetryBudget`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use crate::ConfigurationError;

/// How much of the traffic may be what it repeats.
///
/// When a peer is down, every request fails, and retries would multiply the load by four just then.
/// A budget turns that into a share: each request pays in a part of a retry, each retry takes a whole
/// one out. A retry that finds too little is not made, and its request ends with the reply that it has.
///
/// So of any number of requests, at most [`percent`](Self::percent) are followed by retries, and
/// [`reserve`](Self::reserve) more, with which the budget starts. What is paid in and not used is kept,
/// up to the reserve and 1,000 retries on top.
///
/// It counts requests and not time, in the manner of gRPC's retry throttling (gRFC A6): to pay in costs
/// an atomic addition at most, and neither a lock nor a look at the clock, as it would with `tower`'s
/// `TpsBudget`.
///
/// Clones are the same budget: give one to several clients, and they share it.
///
/// ```
/// use parallel_requests::{ParallelRequests, RetryBudget};
///
/// let budget = RetryBudget::percent(10.0).reserve(20);
/// # #[cfg(feature = "h2")] {
/// let one = ParallelRequests::builder().retry_budget(budget.clone()).build()?;
/// let other = ParallelRequests::builder().retry_budget(budget).build()?;
/// # }
/// # Ok::<(), parallel_requests::ConfigurationError>(())
/// ```
#[derive(Clone)]
#[must_use = "a budget does nothing until a client is given it"]
pub struct RetryBudget {
    account: Option<Arc<Account>>,
    percent: f64,
    reserve: u32,
}

#[derive(Debug)]
struct Account {
    /// In thousandths of a retry.
    balance: AtomicI64,
    deposit: i64,
    most: i64,
}

/// What one retry costs.
const RETRY: i64 = 1_000;

/// How many retries can be saved up beyond the reserve.
const MOST_SAVED: i64 = 1_000;

/// More retries than this for each request are no budget.
const MOST_PERCENT: f64 = 10_000.0;

impl RetryBudget {
    /// Retries are at most so many of a hundred requests, from 0 to 10,000, in steps of a tenth; and
    /// the [`reserve`](Self::reserve). Default: 20.
    pub fn percent(percent: f64) -> Self {
        Self::opened(percent, 100)
    }

    /// No bounds.
    pub fn unlimited() -> Self {
        Self {
            account: None,
            percent: MOST_PERCENT,
            reserve: u32::MAX,
        }
    }

    /// How many retries there are besides the share, so that few requests get theirs as well. Starts
    /// a new account. Default: 100.
    pub fn reserve(self, retries: u32) -> Self {
        match self.account {
            None => self,
            Some(_) => Self::opened(self.percent, retries),
        }
    }

    /// How many retries could be made right now; `None` if there are no bounds.
    ///
    /// ```
    /// use parallel_requests::RetryBudget;
    ///
    /// assert_eq!(RetryBudget::default().left(), Some(100));
    /// assert_eq!(RetryBudget::unlimited().left(), None);
    /// ```
    pub fn left(&self) -> Option<u64> {
        let account = self.account.as_ref()?;
        let balance = account.balance.load(Ordering::Relaxed);
        Some(u64::try_from(balance / RETRY).unwrap_or(0))
    }

    /// Pays in for one request.
    pub(crate) fn deposit(&self) {
        if let Some(account) = &self.account {
            // In good times it is full, and then nobody writes to what all threads share. Two at once
            // may go over by one deposit each, which they have paid.
            if account.balance.load(Ordering::Relaxed) < account.most {
                account
                    .balance
                    .fetch_add(account.deposit, Ordering::Relaxed);
            }
        }
    }

    /// Takes one retry out, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        let Some(account) = &self.account else {
            return true;
        };
        account
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                (balance >= RETRY).then(|| balance - RETRY)
            })
            .is_ok()
    }

    /// Takes one retry out, to be put back unless it is made.
    pub(super) fn reserve_one(&self) -> Option<Withdrawal> {
        self.withdraw().then(|| Withdrawal {
            budget: self.clone(),
            is_spent: false,
        })
    }

    /// Puts back one that was taken out and not used.
    pub(crate) fn refund(&self) {
        if let Some(account) = &self.account {
            account.balance.fetch_add(RETRY, Ordering::Relaxed);
        }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self, setting: &'static str) -> Result<(), ConfigurationError> {
        if (0.0..=MOST_PERCENT).contains(&self.percent) {
            return Ok(());
        }
        Err(ConfigurationError::InvalidSetting {
            setting,
            value: self.percent.to_string(),
            why: "it is a share of the requests in percent, from 0 to 10,000".into(),
        })
    }

    fn opened(percent: f64, reserve: u32) -> Self {
        let reserved = i64::from(reserve) * RETRY;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is within bounds that an i64 has; what is no number becomes 0, and is refused"
        )]
        let deposit = (percent.clamp(0.0, MOST_PERCENT) * 10.0).round() as i64;
        Self {
            account: Some(Arc::new(Account {
                balance: AtomicI64::new(reserved),
                deposit,
                most: reserved + MOST_SAVED * RETRY,
            })),
            percent,
            reserve,
        }
    }
}

/// A retry that has been taken out of a budget, and goes back if it is never made.
#[derive(Debug)]
pub(super) struct Withdrawal {
    budget: RetryBudget,
    pub(super) is_spent: bool,
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if !self.is_spent {
            self.budget.refund();
        }
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::percent(20.0)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("percent", &self.percent)
            .field("reserve", &self.reserve)
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many retries it grants if every request wants as many as it can get.
    fn granted(budget: &RetryBudget, requests: u32) -> u32 {
        let mut granted = 0;
        for _ in 0..requests {
            budget.deposit();
            while budget.withdraw() {
                granted += 1;
            }
        }
        granted
    }

    #[test]
    fn it_grants_the_share_and_the_reserve() {
        for (percent, reserve, requests, expected) in [
            (20.0, 100, 10_000, 2_100),
            (20.0, 0, 10_000, 2_000),
            (0.0, 7, 10_000, 7),
            (0.1, 0, 10_000, 10),
            (100.0, 0, 50, 50),
            (300.0, 0, 50, 150),
        ] {
            let budget = RetryBudget::percent(percent).reserve(reserve);
            assert_eq!(
                granted(&budget, requests),
                expected,
                "{percent} %, {reserve}"
            );
        }
    }

    #[test]
    fn what_is_saved_up_has_a_bound() {
        let budget = RetryBudget::default();
        for _ in 0..1_000_000 {
            budget.deposit();
        }
        assert_eq!(budget.left(), Some(1_100));
    }

    #[test]
    fn clones_share_and_a_new_reserve_does_not() {
        let budget = RetryBudget::default().reserve(1);
        let (clone, other) = (budget.clone(), budget.clone().reserve(1));
        assert!(budget.withdraw());
        assert!(!clone.withdraw());
        assert!(other.withdraw());
    }

    #[test]
    fn no_share_but_a_share_is_accepted() {
        for (percent, is_good) in [
            (0.0, true),
            (10_000.0, true),
            (-0.1, false),
            (10_000.1, false),
            (f64::NAN, false),
            (f64::INFINITY, false),
        ] {
            let checked = RetryBudget::percent(percent).check("retry_budget");
            assert_eq!(checked.is_ok(), is_good, "{percent}");
        }
        assert!(RetryBudget::unlimited().check("retry_budget").is_ok());
    }
}
