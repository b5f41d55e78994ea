//! Keeps the station connected.

use embassy_time::{Duration, Timer};
use esp_hal::peripherals::WIFI;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{AuthenticationMethodConfig, Config, ControllerConfig, WifiController, WifiError};
use lamp_app::{Backoff, Wifi};

use crate::console::log;

/// Connects, and connects again after each loss, with growing pauses.
#[embassy_executor::task]
pub(crate) async fn stay_connected(radio: WIFI<'static>, access_point: Wifi, seed: u32) {
    let mut controller = match start(radio, &access_point) {
        Ok(controller) => controller,
        // Only other settings help, and they come with the next flashing.
        Err(error) => return log("wifi", format_args!("does not start: {error:?}")),
    };
    let mut backoff = Backoff::new(seed);
    loop {
        log("wifi", format_args!("connecting to {}", access_point.ssid));
        match controller.connect_async().await {
            Ok(_) => {
                backoff.reset();
                log("wifi", format_args!("connected to {}", access_point.ssid));
                match controller.wait_for_disconnect_async().await {
                    Ok(info) => log("wifi", format_args!("disconnected: {:?}", info.reason)),
                    Err(error) => log("wifi", format_args!("disconnected: {error:?}")),
                }
            }
            Err(error) => log("wifi", format_args!("not connected: {error:?}")),
        }
        let pause = backoff.next_ms();
        log("wifi", format_args!("next attempt in {pause} ms"));
        Timer::after(Duration::from_millis(pause)).await;
    }
}

fn start(radio: WIFI<'static>, access_point: &Wifi) -> Result<WifiController<'static>, WifiError> {
    let authentication = match access_point.password.as_deref() {
        None => AuthenticationMethodConfig::Open,
        Some(password) => AuthenticationMethodConfig::Wpa2Personal(password.try_into()?),
    };
    let station =
        StationConfig::default().with_ssid(access_point.ssid.as_str().try_into()?).with_authentication(authentication);
    WifiController::new(radio, ControllerConfig::default().with_initial_config(Config::Station(station)))
}
