//! The device side of a virtual bench: an ESP32-C3 on a pseudo-terminal
