//! Who may stream. A pure state machine: it owns the count of admitted streams and how finals fare, never a queue.
//!
//! The count decides first: what the streams admitted so far will cost once their interims are stretched must fit the
//! workers. It needs no measurement, so many handshakes at once are judged rightly. A measured guard comes on top: while
//! finals wait too long, whatever the count, nobody new is let in.

use crate::engine_pool::average::{Average, Rate};
use crate::engine_pool::queue::Moment;
use crate::ports::engine::Refused;
use std::time::Duration;

/// The rules of admission. Costs are CPU seconds per second of audio.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AdmissionConfig {
    /// Channels admitted at once; 0 reckons it from the model's cost.
    pub max_streams: u32,
    /// Part of the workers' time that admitted streams may be reckoned to take.
    pub target_utilisation: f32,
    /// Part of a model's live cost that its finals have; the rest are interims, which stretch.
    pub final_share: f32,
    /// Up to this stretch of interims new streams are admitted.
    pub admitted_stretch: f32,
    /// What decoding, resampling and voice detection of a channel cost.
    pub listening_cost: f32,
    /// Mean wait of finals over which nobody is admitted.
    pub final_wait_limit: Duration,
    /// Part of the workers' time spent on finals over which nobody is admitted.
    pub final_busy_limit: f32,
    /// What a refused client is told to wait at least.
    pub retry_first: Duration,
    /// What a refused client is told to wait at most.
    pub retry_most: Duration,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            max_streams: 0,
            target_utilisation: 0.6,
            final_share: 0.3,
            admitted_stretch: 1.3,
            listening_cost: 0.007,
            final_wait_limit: Duration::from_millis(500),
            final_busy_limit: 0.6,
            retry_first: Duration::from_secs(2),
            retry_most: Duration::from_secs(30),
        }
    }
}

/// What an admitted stream takes; hand it back with [`Admissions::release`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    channels: u32,
    millionths: u64,
}

/// The admitted streams and how finals fare.
#[derive(Clone, Debug)]
pub struct Admissions {
    config: AdmissionConfig,
    workers: usize,
    streams: u32,
    channels: u32,
    /// Reckoned cost of all admitted streams, in millionths of a CPU: integers, so that it returns to exactly zero.
    millionths: u64,
    final_wait_s: Average,
    final_busy_s: Rate,
    refusals: Rate,
}

impl Admissions {
    /// Makes an empty house.
    pub fn new(config: AdmissionConfig, workers: usize) -> Self {
        Self {
            config,
            workers,
            streams: 0,
            channels: 0,
            millionths: 0,
            final_wait_s: Average::new(0.1, Duration::from_secs(10)),
            final_busy_s: Rate::new(Duration::from_secs(20)),
            refusals: Rate::new(Duration::from_secs(10)),
        }
    }

    /// Admits a stream of `channels` whose model costs `live_cost` per channel, or says when to come back, if ever.
    /// `oldest_final` is how long the oldest final waits now.
    pub fn admit(
        &mut self,
        live_cost: f32,
        channels: u16,
        oldest_final: Duration,
        now: Moment,
    ) -> Result<Place, Refused> {
        let channels = u32::from(channels.max(1));
        let carried = self.capacity(live_cost);
        if channels > carried {
            return Err(Refused::TooManyChannels { carried });
        }
        let place = Place { channels, millionths: u64::from(channels) * self.channel_millionths(live_cost) };
        if !self.fits(place) || self.finals_suffer(oldest_final, now) {
            self.refusals.add(1.0, now);
            return Err(Refused::Full { retry_after: self.retry_after(now) });
        }
        self.streams += 1;
        self.channels += place.channels;
        self.millionths += place.millionths;
        Ok(place)
    }

    /// Takes a place back.
    pub fn release(&mut self, place: Place) {
        self.streams = self.streams.saturating_sub(1);
        self.channels = self.channels.saturating_sub(place.channels);
        self.millionths = self.millionths.saturating_sub(place.millionths);
    }

    /// Notes how long a final waited for its worker.
    pub fn final_begun(&mut self, wait: Duration, now: Moment) {
        self.final_wait_s.note(wait.as_secs_f64(), now);
    }

    /// Notes how long a worker was busy with a final.
    pub fn final_ended(&mut self, busy: Duration, now: Moment) {
        self.final_busy_s.add(busy.as_secs_f64(), now);
    }

    /// Returns how many channels heard by a model that costs `live_cost` this machine carries, from 1.
    pub fn capacity(&self, live_cost: f32) -> u32 {
        match self.config.max_streams {
            0 => u32::try_from(self.budget_millionths() / self.channel_millionths(live_cost))
                .unwrap_or(u32::MAX)
                .max(1),
            most => most,
        }
    }

    /// Returns how many streams are admitted.
    pub const fn streams(&self) -> u32 {
        self.streams
    }

    /// Returns the mean wait of finals, in seconds.
    pub fn final_wait_s(&self, now: Moment) -> f64 {
        self.final_wait_s.value(now)
    }

    fn fits(&self, place: Place) -> bool {
        if self.config.max_streams > 0 {
            return self.channels.saturating_add(place.channels) <= self.config.max_streams;
        }
        // However slow the machine, one stream is served.
        (self.streams == 0 && place.channels == 1)
            || self.millionths.saturating_add(place.millionths) <= self.budget_millionths()
    }

    fn finals_suffer(&self, oldest_final: Duration, now: Moment) -> bool {
        let wait_s = self.final_wait_s(now).max(oldest_final.as_secs_f64());
        let busy_limit = f64::from(self.config.final_busy_limit) * self.workers as f64;
        wait_s > self.config.final_wait_limit.as_secs_f64() || self.final_busy_s.per_s(now) > busy_limit
    }

    /// Grows with the crowd that is refused, and with how far finals are behind.
    fn retry_after(&self, now: Moment) -> Duration {
        let crowd = self.refusals.recent(now) / f64::from(self.channels.max(4));
        let behind = self.final_wait_s(now) / self.config.final_wait_limit.as_secs_f64();
        let wait = self.config.retry_first.mul_f64(1.0 + crowd + behind).min(self.config.retry_most);
        Duration::from_secs(wait.as_secs_f64().ceil() as u64)
    }

    fn budget_millionths(&self) -> u64 {
        millionths(self.workers as f32 * self.config.target_utilisation)
    }

    fn channel_millionths(&self, live_cost: f32) -> u64 {
        let interims = (1.0 - self.config.final_share) / self.config.admitted_stretch.max(1.0);
        millionths(self.config.listening_cost + live_cost * (self.config.final_share + interims)).max(1)
    }
}

/// Rounds a cost to millionths of a CPU; nonsense (negative, not a number) is 0.
fn millionths(cost: f32) -> u64 {
    (f64::from(cost) * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_PASSES: f32 = 0.105;

    fn fill(admissions: &mut Admissions, asked: u32, now: Moment) -> Vec<Place> {
        (0..asked).filter_map(|_| admissions.admit(TWO_PASSES, 1, Duration::ZERO, now).ok()).collect()
    }

    #[test]
    fn two_cores_carry_ten_streams_and_not_thirty_even_when_all_ask_at_once() {
        let mut admissions = Admissions::new(AdmissionConfig::default(), 2);
        let places = fill(&mut admissions, 30, Duration::ZERO);
        assert!((10..30).contains(&places.len()), "{}", places.len());
        assert_eq!(places.len(), admissions.capacity(TWO_PASSES) as usize);
        // They cost at most what the workers have, even with interims stretched no further than admitted.
        assert!(places.len() as f32 * (0.03 + 0.075 / 1.3 + 0.007) <= 2.0 * 0.6 + 0.02);
    }

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let mut admissions = Admissions::new(AdmissionConfig::default(), 2);
        let places = fill(&mut admissions, 100, Duration::ZERO);
        assert!(admissions.admit(TWO_PASSES, 1, Duration::ZERO, Duration::ZERO).is_err());
        admissions.release(places[0]);
        assert!(admissions.admit(TWO_PASSES, 1, Duration::ZERO, Duration::ZERO).is_ok());
        for place in places {
            admissions.release(place);
        }
        assert_eq!(admissions.streams(), 0);
        assert_eq!(admissions.millionths, 0);
    }

    #[test]
    fn channels_count_like_streams_and_the_override_holds() {
        let config = AdmissionConfig { max_streams: 3, ..AdmissionConfig::default() };
        let mut admissions = Admissions::new(config, 2);
        assert_eq!(admissions.capacity(TWO_PASSES), 3);
        assert!(admissions.admit(TWO_PASSES, 2, Duration::ZERO, Duration::ZERO).is_ok());
        assert!(admissions.admit(TWO_PASSES, 2, Duration::ZERO, Duration::ZERO).is_err());
        assert!(admissions.admit(TWO_PASSES, 1, Duration::ZERO, Duration::ZERO).is_ok());
    }

    #[test]
    fn a_stream_that_an_empty_machine_could_not_carry_is_not_told_to_come_back() {
        let reckoned = AdmissionConfig::default();
        for config in [reckoned, AdmissionConfig { max_streams: 3, ..reckoned }] {
            let mut admissions = Admissions::new(config, 2);
            let carried = admissions.capacity(TWO_PASSES);
            let mut admit =
                |channels: u32| admissions.admit(TWO_PASSES, channels as u16, Duration::ZERO, Duration::ZERO);
            assert_eq!(admit(carried + 1), Err(Refused::TooManyChannels { carried }));
            assert!(admit(carried).is_ok());
            assert!(matches!(admit(carried), Err(Refused::Full { .. })), "the same machine, not empty");
            assert_eq!(admit(carried + 1), Err(Refused::TooManyChannels { carried }));
        }
    }

    #[test]
    fn a_machine_too_slow_for_any_stream_serves_one() {
        let mut admissions = Admissions::new(AdmissionConfig::default(), 1);
        assert!(admissions.admit(50.0, 1, Duration::ZERO, Duration::ZERO).is_ok());
        assert!(admissions.admit(50.0, 1, Duration::ZERO, Duration::ZERO).is_err());
    }

    #[test]
    fn while_finals_wait_too_long_nobody_is_admitted_and_later_all_is_forgiven() {
        let mut admissions = Admissions::new(AdmissionConfig::default(), 2);
        let now = Duration::from_secs(50);
        for _ in 0..30 {
            admissions.final_begun(Duration::from_millis(900), now);
        }
        assert!(admissions.admit(TWO_PASSES, 1, Duration::ZERO, now).is_err());
        assert!(admissions.admit(TWO_PASSES, 1, Duration::ZERO, now + Duration::from_secs(60)).is_ok());
        let stuck = Duration::from_secs(3);
        assert!(admissions.admit(TWO_PASSES, 1, stuck, now + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn workers_busy_with_finals_alone_refuse() {
        let mut admissions = Admissions::new(AdmissionConfig::default(), 2);
        for second in 0..60 {
            admissions.final_ended(Duration::from_millis(1_500), Duration::from_secs(second));
        }
        assert!(admissions.admit(TWO_PASSES, 1, Duration::ZERO, Duration::from_secs(60)).is_err());
    }

    #[test]
    fn the_wait_told_grows_with_the_crowd_and_is_bounded() {
        let config = AdmissionConfig { max_streams: 1, ..AdmissionConfig::default() };
        let mut admissions = Admissions::new(config, 2);
        fill(&mut admissions, 1, Duration::ZERO);
        let mut told = |times: u32| {
            let refused = (0..times)
                .filter_map(|_| admissions.admit(TWO_PASSES, 1, Duration::ZERO, Duration::ZERO).err());
            refused.last().map(|refused| match refused {
                Refused::Full { retry_after } => retry_after,
                Refused::TooManyChannels { .. } => panic!("{refused}"),
            })
        };
        let first = told(1).expect("refused");
        let crowd = told(40).expect("refused");
        let mob = told(10_000).expect("refused");
        assert!(first >= config.retry_first && first < crowd && crowd < mob, "{first:?} {crowd:?} {mob:?}");
        assert_eq!(mob, config.retry_most);
    }
}
