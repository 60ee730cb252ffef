"""AWS in the lab: moto, with the behaviour that it lacks."""
