//! What the connections of one network may send together, so that many connections of one owner are worth no more than some.

use core::net::{IpAddr, Ipv4Addr};
use std::{collections::BTreeMap, time::Duration};

use crate::{Config, bucket::Bucket, groups::network};

/// The networks that sent something lately. Beyond the limit those that are new share one allowance.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    of: BTreeMap<IpAddr, Bucket>,
    /// As soon as there are so many it is looked which are as if they had never sent anything.
    sweep_at: usize,
}

/// Fewest that are worth a look.
const FEW: usize = 256;

impl Networks {
    /// Takes one message's room from the network of `address`, if there is any.
    pub(crate) fn take(&mut self, now: Duration, address: IpAddr, config: &Config) -> bool {
        let mut key = network(address);
        if !self.of.contains_key(&key) {
            if self.of.len() >= self.sweep_at.max(FEW).min(config.networks) {
                self.of.retain(|_, bucket| !bucket.is_full(now));
                self.sweep_at = self.of.len() * 2;
            }
            if self.of.len() >= config.networks {
                key = Ipv4Addr::UNSPECIFIED.into();
            }
        }
        self.of.entry(key).or_default().take(now, config.network_messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rate;

    #[test]
    fn each_network_has_its_own_allowance_and_never_more_are_kept_than_may_be() {
        let rate = Rate { burst: 2, every: Duration::from_secs(1) };
        let config = Config { network_messages: rate, networks: 300, ..Config::default() };
        let mut networks = Networks::default();
        let at = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0xcb00_0000 + number));
        let mut take = |now, number| networks.take(Duration::from_secs(now), at(number), &config);
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
            networks.take(Duration::from_secs(u64::from(network) * 3), at(network * 256), &config);
        }
        assert!(networks.of.len() <= 301, "{}", networks.of.len());
    }
}
