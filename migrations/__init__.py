"""The database's schema, step by step: one readable file in versions/ for each step.

A step is written by hand and numbered on. It changes what it must and keeps the data. There is no
way down: to go back, restore the backup that was made before going up.
"""
