using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>What an evacuation has to do with a VM.</summary>
internal enum MachineCase
{
    /// <summary>Begin a move.</summary>
    Move,

    /// <summary>No host takes it: begin what is done instead.</summary>
    FallBack,

    /// <summary>An operation of the evacuation holds it.</summary>
    InFlight,

    /// <summary>Wait for something else.</summary>
    Busy,

    /// <summary>It cannot leave, and what the host is emptied for needs it to.</summary>
    Blocked,

    /// <summary>Nothing more: it stays.</summary>
    Stays,
}

/// <summary>How a VM stands in an evacuation.</summary>
/// <param name="Machine">The VM.</param>
/// <param name="Case">What is to be done.</param>
/// <param name="OperationId">The operation that holds it, or is to.</param>
/// <param name="Sentence">Why, where there is a reason.</param>
internal sealed record MachineStanding(VirtualMachine Machine, MachineCase Case, Guid? OperationId = null, string Sentence = "");

/// <summary>How an evacuation stands.</summary>
/// <param name="Work">Its data.</param>
/// <param name="Machines">The VMs there that concern it, in the order they leave.</param>
/// <param name="EndsBecause">Why nothing new is begun any more; null while there is a reason to go on.</param>
internal sealed record EvacuationLook(EvacuationWork Work, IReadOnlyList<MachineStanding> Machines, string? EndsBecause)
{
    private const int MostNamed = 5;

    private int Here => Machines.Count(m => m.Machine.HostId == Work.HostId);

    private int Away => Math.Max(0, Work.Machines.Count - Here);

    /// <summary>How far it is, 0 to 100.</summary>
    public int Percent => Work.Machines.Count == 0 ? 0 : Away * 100 / Work.Machines.Count;

    /// <summary>How far, for a person.</summary>
    public string Words => Work.Machines.Count == 0 ? "Nothing has to leave." : $"{Counted}{Reasons(MachineCase.Busy, MachineCase.Blocked)}";

    /// <summary>How it ended.</summary>
    public string EndWords => EndsBecause is { } why ? $"{why} {Words}" : $"{(Work.Machines.Count == 0 ? "Nothing had to leave." : Counted)}{Reasons(MachineCase.Stays)}";

    /// <summary>That it stopped because somebody asked.</summary>
    public string StoppedWords => $"Stopped on request; what moved stays where it is now. {Words}";

    /// <summary>What it waits for; null when nothing is left to wait for.</summary>
    public string? WaitsFor => Machines.Any(m => m.Case is MachineCase.InFlight or MachineCase.Busy or MachineCase.Blocked) ? Words : null;

    private string Counted => Work.Purpose == EvacuationPurpose.TrustLost
        ? $"{Away} of {Count(Work.Machines.Count)} that require trust no longer {(Away == 1 ? "runs" : "run")} on {Work.HostName}."
        : $"{Away} of {Count(Work.Machines.Count)} left {Work.HostName}.";

    private static string Count(int machines) => machines == 1 ? "1 virtual machine" : $"{machines} virtual machines";

    private string Reasons(params MachineCase[] cases)
    {
        var told = Machines.Where(m => cases.Contains(m.Case) && m.Sentence.Length > 0).ToList();
        var more = told.Count > MostNamed ? $" And {told.Count - MostNamed} more." : "";
        return string.Concat(told.Take(MostNamed).Select(m => $" {m.Machine.Name}: {m.Sentence}")) + more;
    }
}
