"""
Historical members from a file (M4): what its columns mean, what is wrong with its rows, and how
they become members.

fields    what a file may tell of a member, and what columns are usually called
mapping   which column tells what, and how its values are to be read
reading   from cells to a person, or to all that is wrong with a row
bringing  from persons to members: chunk by chunk, repeatable, resumable
keeping   a run from the file staff hand in to its end
"""
