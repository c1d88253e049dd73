"""
A car-owner club to look at: dealers, members and two years of service visits, in Chinese.

`cast` invents who and what there is, `story` what happens, both from a fixed seed and the day it is
told on, under the `rules` of the programme `retail`; `building` plays it through the real
operations; `logins` tells how to get in. Only a sandbox has a demo.
"""
