"""The world in virtual time: every port of the engine over the lab's Bitbucket model and a small pure cloud.

Thousands of rolls a minute run here, with faults at every call; nothing sleeps and nothing listens.
"""
