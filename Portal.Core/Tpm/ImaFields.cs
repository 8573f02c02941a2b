using System.Buffers;

namespace Portal.Core.Tpm;

/// <summary>Where the fields of an entry stand in its template data.</summary>
/// <param name="DigestAlgorithm">Hash of the file's digest.</param>
/// <param name="Digest">Place of the file's digest.</param>
/// <param name="Path">Place of the path, without the NUL behind it.</param>
internal readonly record struct ImaFields(TpmAlgorithm DigestAlgorithm, (int Start, int Length) Digest, (int Start, int Length) Path)
{
    /// <summary>Digest of the oldest template.</summary>
    public const int LegacyDigestSize = 20;

    /// <summary>Name of the oldest template with the zeros behind it. Source: Linux kernel, "IMA_EVENT_NAME_LEN_MAX" and one.</summary>
    public const int LegacyNameSize = 256;

    /// <summary>Longest path, with the NUL behind it. Source: Linux, "PATH_MAX".</summary>
    public const int MaxPathSize = 4096;

    private const int MaxHashName = 16;

    private static readonly SearchValues<byte> s_hashNames = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-_"u8);

    /// <summary>
    /// The template of a name; null when the kernel has none of that name. No digest covers the name, so one that was made up must not be
    /// taken for something that merely cannot be read. Source: Linux kernel, "builtin_templates".
    /// </summary>
    public static ImaTemplate? TemplateNamed(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual("ima-ng"u8))
            return ImaTemplate.ImaNg;
        if (name.SequenceEqual("ima-sig"u8))
            return ImaTemplate.ImaSig;
        if (name.SequenceEqual("ima-buf"u8))
            return ImaTemplate.ImaBuf;
        if (name.SequenceEqual("ima"u8))
            return ImaTemplate.Ima;
        return name.SequenceEqual("ima-ngv2"u8) || name.SequenceEqual("ima-sigv2"u8) || name.SequenceEqual("ima-modsig"u8) || name.SequenceEqual("evm-sig"u8)
            ? ImaTemplate.Other
            : null;
    }

    /// <summary>Reads template data; false when it is not built as its template says.</summary>
    public static bool TryRead(ImaTemplate template, ReadOnlySpan<byte> data, bool isViolation, out ImaFields fields)
    {
        var reader = new TpmReader(data, littleEndian: true);
        fields = default;
        if (template == ImaTemplate.Other)
            return true;
        if (template == ImaTemplate.Ima)
        {
            reader.Take(LegacyDigestSize);
            var name = Sized(ref reader);
            fields = new(TpmAlgorithm.Sha1, (0, LegacyDigestSize), name);
            return reader.AtEnd && name.Length < LegacyNameSize && !data.Slice(name.Start, name.Length).Contains((byte)0);
        }
        var digest = Sized(ref reader);
        var path = Sized(ref reader);
        if (template is ImaTemplate.ImaSig or ImaTemplate.ImaBuf)
            Sized(ref reader);
        if (!reader.AtEnd || path.Length is 0 or > MaxPathSize)
            return false;
        // Exactly one NUL, at the end: a path with another inside would be read in two ways.
        path.Length--;
        return data[path.Start..].IndexOf((byte)0) == path.Length && TryReadDigest(data, digest, path, isViolation, out fields);
    }

    /// <summary>A hash's name, a colon, a NUL and the digest. Source: Linux kernel, "d-ng".</summary>
    private static bool TryReadDigest(ReadOnlySpan<byte> data, (int Start, int Length) field, (int Start, int Length) path, bool isViolation, out ImaFields fields)
    {
        fields = default;
        var content = data.Slice(field.Start, field.Length);
        var name = content.IndexOf(":\0"u8);
        if (name is <= 0 or > MaxHashName || !IsHashName(content[..name]))
            return false;
        var algorithm = Hash(content[..name]);
        var length = content.Length - name - 2;
        fields = new(algorithm, (field.Start + name + 2, length), path);
        // A violation has no digest, and kernels differ in how much room they leave for it.
        return length <= TpmHash.MaxDigestSize && (isViolation || algorithm == TpmAlgorithm.None || length == algorithm.DigestSize());
    }

    private static TpmAlgorithm Hash(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual("sha256"u8))
            return TpmAlgorithm.Sha256;
        if (name.SequenceEqual("sha384"u8))
            return TpmAlgorithm.Sha384;
        if (name.SequenceEqual("sha512"u8))
            return TpmAlgorithm.Sha512;
        return name.SequenceEqual("sha1"u8) ? TpmAlgorithm.Sha1 : TpmAlgorithm.None;
    }

    private static bool IsHashName(ReadOnlySpan<byte> name) => !name.ContainsAnyExcept(s_hashNames);

    private static (int Start, int Length) Sized(ref TpmReader reader)
    {
        var length = reader.U32();
        var start = reader.Position;
        reader.Take(length);
        return reader.Failed ? (0, 0) : (start, (int)length);
    }
}
