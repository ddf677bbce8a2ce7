//! Dates as cookies have them: in any format that has the four parts of one (RFC 6265bis, section
//! 5.1.1), because servers write what no format of HTTP allows.

/// What a text says of a date: the parts that have been found so far.
#[derive(Default)]
struct Found {
    /// Hours, minutes and seconds.
    time: Option<[u32; 3]>,
    day: Option<u32>,
    month: Option<u32>,
    year: Option<u32>,
}

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// The date in seconds since 1970; `None` if there is none, or one that does not exist.
///
/// Days of the week and zones are passed over: every date is in UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut found = Found::default();
    for token in text.as_bytes().split(|&byte| is_delimiter(byte)) {
        found.take(token);
    }
    found.seconds()
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

impl Found {
    /// Takes a token as the first part that it can be and that has not been found before.
    fn take(&mut self, token: &[u8]) {
        if self.time.is_none() && time(token).is_some() {
            self.time = time(token);
        } else if self.day.is_none() && whole_number(token, 1..=2).is_some() {
            self.day = whole_number(token, 1..=2);
        } else if self.month.is_none() && month(token).is_some() {
            self.month = month(token);
        } else if self.year.is_none() {
            self.year = whole_number(token, 2..=4).map(|year| match year {
                0..=69 => year + 2000,
                70..=99 => year + 1900,
                _ => year,
            });
        }
    }

    fn seconds(&self) -> Option<i64> {
        let [hours, minutes, seconds] = self.time?;
        let (day, month, year) = (self.day?, self.month?, self.year?);
        let exists = year >= 1601
            && (1..=days_of(month, year)).contains(&day)
            && hours <= 23
            && minutes <= 59
            && seconds <= 59;
        let days = days_before(month, year) + i64::from(day) - 1;
        let time = i64::from((hours * 60 + minutes) * 60 + seconds);
        exists.then_some(days * 86_400 + time)
    }
}

/// A number of so many digits at the start, and what follows.
fn number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<(u32, &[u8])> {
    let end = token.iter().position(|byte| !byte.is_ascii_digit());
    let (start, rest) = token.split_at(end.unwrap_or(token.len()));
    let value = |value: u32, digit: &u8| value * 10 + u32::from(digit - b'0');
    // No more than four digits, so that it does not overflow.
    let fits = digits.contains(&start.len());
    fits.then(|| (start.iter().fold(0, value), rest))
}

/// A number of so many digits, whatever follows.
fn whole_number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    number(token, digits).map(|(value, _)| value)
}

fn time(token: &[u8]) -> Option<[u32; 3]> {
    let (hours, rest) = number(token, 1..=2)?;
    let (minutes, rest) = number(rest.strip_prefix(b":")?, 1..=2)?;
    let (seconds, _) = number(rest.strip_prefix(b":")?, 1..=2)?;
    Some([hours, minutes, seconds])
}

/// By the first three letters, from 1 on.
fn month(token: &[u8]) -> Option<u32> {
    let start = token.get(..3)?;
    (1..)
        .zip(MONTHS)
        .find(|(_, name)| start.eq_ignore_ascii_case(name))
        .map(|(month, _)| month)
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_of(month: u32, year: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// From 1970 to the first of this month.
fn days_before(month: u32, year: u32) -> i64 {
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let before = i64::from(year) - 1;
    let years = (before - 1969) * 365 + leap_days(before) - leap_days(1969);
    let months: u32 = (1..month).map(|month| days_of(month, year)).sum();
    years + i64::from(months)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_any_format() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 1 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("Thu, 01 Jan 1970 00:00:00", 0),
            ("Thursday, 01-Jan-1970 00:00:00 GMT", 0),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Thu, 01 Jan 1970 0:00:00 GMT", 0),
            ("1 Jan 1970 00:00:00 GMT", 0),
            ("Thu Jan  1 0:0:0 1970", 0),
            ("\"1 january 1970;00:00:00\"", 0),
            ("1970 Jan 1 00:00:01", 1),
            ("00:00:59x 1st JANUS 1970x", 59),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            // What is not known is passed over, zones too.
            ("Sun, 06 Nov 1994 08:49:37 +0200 (CEST)", 784_111_777),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("1 Jan 69 00:00:00", 3_124_224_000),
            ("31 Dec 9999 23:59:59", 253_402_300_799),
            ("1 Jan 1601 00:00:00", -11_644_473_600),
            // The second number is a year, for it cannot be a day any more.
            ("10 11 Nov 08:49:37", 1_320_914_977),
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "0",
            "tomorrow",
            "Thu, 01 Jan 1970",
            "00:00:00 GMT",
            "Thu, 00 Jan 1970 00:00:00 GMT",
            "Thu, 32 Jan 1970 00:00:00 GMT",
            "Thu, 001 Jan 1970 00:00:00 GMT",
            "Wed, 31 Apr 2030 00:00:00 GMT",
            "Wed, 29 Feb 2023 00:00:00 GMT",
            "Wed, 29 Feb 1900 00:00:00 GMT",
            "Thu, 01 Jan 1600 00:00:00 GMT",
            "Thu, 01 Jan 197 00:00:00 GMT",
            "Thu, 01 Jan 19700 00:00:00 GMT",
            "Thu, 01 Jän 1970 00:00:00 GMT",
            "Thu, 01 Jan 1970 24:00:00 GMT",
            "Thu, 01 Jan 1970 00:60:00 GMT",
            "Thu, 01 Jan 1970 00:00:60 GMT",
            "Thu, 01 Jan 1970 00:00:000 GMT",
            "Thu, 01 Jan 1970 00:00 GMT",
            // The fraction is the first number that can be a year.
            "00:00:59.999 1 Jan 1970",
            "99999999999999999999 Jan 1970 00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_wild(
            text in any::<String>(),
            like_a_date in "([a-z]{0,2}|[0-9]{0,5}|[0-9]{1,3}:[0-9]{1,3}:[0-9]{1,3}|jan|Feb|DEC|[ ,;/-]){0,9}",
        ) {
            let _ = parse(&text);
            let _ = parse(&like_a_date);
        }

        #[test]
        fn each_day_is_the_one_after_the_day_before(seconds in -11_644_473_600_i64..253_402_300_800) {
            // Another way to count: from March on, in spans of 400 years.
            let days = seconds.div_euclid(86_400) + 719_468;
            let (span, day_of_span) = (days.div_euclid(146_097), days.rem_euclid(146_097));
            let year_of_span =
                (day_of_span - day_of_span / 1_460 + day_of_span / 36_524 - day_of_span / 146_096) / 365;
            let day_of_year =
                day_of_span - (365 * year_of_span + year_of_span / 4 - year_of_span / 100);
            let from_march = (5 * day_of_year + 2) / 153;
            let day = day_of_year - (153 * from_march + 2) / 5 + 1;
            let month = (from_march + 2) % 12;
            let year = year_of_span + span * 400 + i64::from(month < 2);
            let name = String::from_utf8_lossy(MONTHS[usize::try_from(month).unwrap()]).into_owned();
            let time = seconds.rem_euclid(86_400);
            let (hours, minutes) = (time / 3_600, time / 60 % 60);
            let text = format!("{day} {name} {year:04} {hours}:{minutes}:{}", time % 60);
            prop_assert_eq!(parse(&text), Some(seconds), "{}", text);
        }
    }
}
