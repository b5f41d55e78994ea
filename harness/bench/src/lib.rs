//! Drivers: ports, console, flashing, reset, power, pins
