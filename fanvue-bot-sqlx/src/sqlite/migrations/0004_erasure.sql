-- What was given up of one lane.
CREATE INDEX dead_letters_lane ON dead_letters (creator_id, lane, seq);
