//! What the records of a run mean: pure rules over the timeline.
//!
//! No socket, no clock and no runtime: a rule takes records and returns what they prove. A caller that waits (a step)
//! passes records as they come; one that judges afterwards passes all of them. Both get the same result, because a
//! record outside the [`Window`] of a step is never considered.

mod attempts;
mod closest;
mod connect;
mod console;
mod detector;
mod evidence;
mod gauge;
mod health;
mod home_assistant;
mod json;
mod message;
mod messages;
mod number;
mod pattern;
mod presence;
mod reset_cause;
mod running_app;
mod session;
mod show;
mod slowness;
mod sparkplug;
mod stalls;
mod subscriptions;
mod topic;
mod unmet;
mod will;
mod window;

pub use attempts::{Holds, Pauses, attempt_opened};
pub use closest::{elsewhere, heard_on, last_words, nearest_line, subscriptions, turned_away, undelivered, unreached};
pub use connect::{Answer, Answers, ConnectMatch, Departure, Departures};
pub use console::{captured, compared, is_shown, without_escapes};
pub use detector::{Detector, Found};
pub use evidence::{contradiction, is_fresh_boot, judge_boot};
pub use gauge::{Drift, Gauge, GaugeSource, GaugeValue, connects, gauge_values};
pub use health::{Expectations, Trouble, Violation, trouble, violation};
pub use home_assistant::{Announced, COMPONENTS, Component, DISCOVERY_PREFIX};
pub use json::JsonPath;
pub use message::{MessageMatch, property};
pub use messages::{Acknowledgements, Delivered, Sent, Travel, completes_qos_2, published_by, retransmission};
pub use number::{Decimal, NumberCondition};
pub use pattern::TextPattern;
pub use presence::{
    broker_lost, console_lost, could_be_published, could_speak, observer_was_there, open_connections, passes_unread,
    shows_life, was_started,
};
pub use reset_cause::ResetCause;
pub use running_app::{AppStart, app_starts, app_version, ends_app, says_version, started_at};
pub use session::{End, Session};
pub use show::{seconds, show, signed};
pub use slowness::too_slow;
pub use sparkplug::SparkplugSession;
pub use stalls::{Side, Stall, Stalled, Stalls, came_through_broker, undecided, undecided_times};
pub use subscriptions::{Asked, Granted};
pub use topic::{check_filter, check_topic, covers, topic_matches};
pub use unmet::Unmet;
pub use will::{Due, KeepAliveLimits, WillCase, Wills};
pub use window::{Window, first_in};
