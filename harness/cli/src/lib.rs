//! Hardware-in-the-loop tests for ESP boards that speak MQTT
