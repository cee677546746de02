//! What comes from one network, so that many connections, or many attempts, of one owner are worth no more than some.

use core::net::{IpAddr, Ipv4Addr};
use std::{collections::BTreeMap, time::Duration};

use crate::{Rate, bucket::Bucket, groups::network};

/// An allowance for each network (IPv4 /24, IPv6 /48), by the generic cell rate algorithm. It holds those that took of it lately;
/// beyond the limit those that are new share one.
#[derive(Debug, Default)]
pub struct Networks {
    of: BTreeMap<IpAddr, Bucket>,
    /// As soon as there are so many, it is looked which are as if they had never taken anything.
    sweep_at: usize,
    /// Not before.
    sweep_after: Duration,
}

/// Fewest that are worth a look.
const FEW: usize = 256;
/// A look goes through all: strangers who are as many as may be do not have it done for each of them.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Networks {
    /// Takes one's room from the network of `address`, if there is any; of up to `most` networks it is known what they took. Times are
    /// durations since one fixed moment of the caller's choice and do not run backwards.
    pub fn take(&mut self, now: Duration, address: IpAddr, rate: Rate, most: usize) -> bool {
        let mut key = network(address);
        if !self.of.contains_key(&key) {
            if self.of.len() >= self.sweep_at.max(FEW).min(most) && now >= self.sweep_after {
                self.of.retain(|_, bucket| !bucket.is_full(now));
                self.sweep_at = self.of.len() * 2;
                self.sweep_after = now + SWEEP_EVERY;
            }
            if self.of.len() >= most {
                key = Ipv4Addr::UNSPECIFIED.into();
            }
        }
        self.of.entry(key).or_default().take(now, rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_allowance_and_never_more_are_kept_than_may_be() {
        let rate = Rate { burst: 2, every: Duration::from_secs(1) };
        let mut networks = Networks::default();
        let at = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0xcb00_0000 + number));
        let mut take = |now, number| networks.take(Duration::from_secs(now), at(number), rate, 300);
        assert_eq!([take(0, 1), take(0, 2), take(0, 3), take(0, 256)], [true, true, false, true]);
        for network in 2..400 {
            take(0, network * 256);
        }
        assert!(!take(0, 500 * 256), "those beyond the limit share what there is");
        assert!(take(0, 256), "who was there before has its own");
        assert!(!take(0, 257));
        assert!(take(9, 600 * 256));
        assert!(networks.of.len() <= 301, "{}", networks.of.len());
        for network in 700..2000 {
            networks.take(Duration::from_secs(u64::from(network) * 3), at(network * 256), rate, 300);
        }
        assert!(networks.of.len() <= 301, "{}", networks.of.len());
    }
}
