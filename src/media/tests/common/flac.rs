//! FLAC of silence: hours of it in some kilobytes. Shared with the tests of the server.

/// A FLAC file of silence: frames of one constant subframe (RFC 9639), 15 bytes for 65,535 samples.
pub fn flac_silence(frames: u32, rate_hz: u32) -> Vec<u8> {
    fn crc(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
        let top = 1 << (width - 1);
        let step = |sum: u32| if sum & top != 0 { (sum << 1) ^ polynomial } else { sum << 1 };
        let sum = bytes
            .iter()
            .fold(0u32, |sum, byte| (0..8).fold(sum ^ (u32::from(*byte) << (width - 8)), |sum, _| step(sum)));
        sum & (((1u64 << width) - 1) as u32)
    }
    let mut file = b"fLaC\x80\0\0\x22\xFF\xFF\xFF\xFF\0\0\0\0\0\0".to_vec();
    // 20 bits rate, 3 bits channels - 1, 5 bits width - 1, 36 bits samples: announced as unknown.
    file.extend(((u64::from(rate_hz) << 44) | (15 << 36)).to_be_bytes());
    file.extend([0; 16]);
    for number in 0..frames {
        let mut frame = vec![0xFF, 0xF8, 0x70, 0x08];
        let mut text = [0; 4];
        // Frame numbers are coded like UTF-8; surrogates have no `char`, so stay below them.
        frame.extend(char::from_u32(number).expect("below the surrogates").encode_utf8(&mut text).bytes());
        frame.extend(65_534u16.to_be_bytes());
        frame.push(crc(&frame, 8, 0x07) as u8);
        frame.extend([0x00, 0x00, 0x00]);
        frame.extend((crc(&frame, 16, 0x8005) as u16).to_be_bytes());
        file.extend(frame);
    }
    file
}
