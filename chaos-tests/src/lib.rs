//! Simulation, invariants and real-process scenarios.
